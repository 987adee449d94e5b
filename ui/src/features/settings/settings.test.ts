// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import type { AppInfo, JournalEntry } from '../../backend/types';
import { fakeApp } from '../../testing/app';
import { engine, refusal } from '../../testing/backend';
import { AT, summary } from '../../testing/values';
import { freshWindow } from '../../testing/window';
import Settings from './index.svelte';

vi.mock('../../backend', async () => (await import('../../testing/backend')).door);

const info = (secrets: AppInfo['secrets']): AppInfo => ({
  version: '0.1.0',
  platform: 'test',
  data_dir: '/data',
  store_bytes: 3_000_000,
  secrets,
});
const entry = (of: Partial<JournalEntry> = {}): JournalEntry => ({
  at_ms: AT,
  kind: 'load_refused',
  environment_id: 'shop',
  environment: 'shop',
  text: 'no name was typed',
  run_id: null,
  part_of: null,
  ...of,
});
beforeEach(() => {
  engine.reset({ 'app.info': () => info({ store: 'keychain', locked: false }) });
  freshWindow().environments = [summary(), summary({ id: 'b', name: 'blue' })];
});

test('the theme and the density are chosen by keys too, and kept', async () => {
  const { context } = fakeApp({ 'journal.list': () => [] });
  render(Settings, { context });
  await fireEvent.click(screen.getByTestId('theme-light'));
  expect(document.documentElement.dataset['theme']).toBe('light');
  await fireEvent.keyDown(screen.getByRole('radiogroup', { name: 'Density' }), { key: 'ArrowRight' });
  expect(document.documentElement.dataset['density']).toBe('compact');
  await waitFor(() =>
    expect([...engine.preferences]).toEqual([
      ['theme', 'light'],
      ['density', 'compact'],
    ]),
  );
});

test('without a keychain a passphrase makes a file, and a wrong one is refused at its field', async () => {
  engine.reset({
    'app.info': () => info({ store: 'session', locked: false }),
    'secrets.unlock': () => {
      throw refusal('The passphrase is not the one of this file');
    },
  });
  const { context } = fakeApp({ 'journal.list': () => [] });
  render(Settings, { context });
  expect((await screen.findByTestId('secret-store')).textContent).toContain('in memory, until Perfdeck ends');
  const unlock = screen.getByTestId('unlock') as HTMLButtonElement;
  expect(unlock.disabled, 'at least 8 characters').toBe(true);
  await fireEvent.input(screen.getByTestId('passphrase'), { target: { value: 'long enough' } });
  await fireEvent.click(unlock);
  await waitFor(() => expect(screen.getByTestId('passphrase-error').textContent).toContain('not the one of this file'));
});

test('what cannot be read is a dash and not nothing, until it can', async () => {
  engine.reset();
  const { context } = fakeApp({ 'journal.list': () => [] });
  render(Settings, { context });
  await waitFor(() => expect(screen.getByRole('alert').textContent).toContain("There is no command 'app.info'"));
  expect([screen.getByTestId('data-dir').textContent, screen.queryByTestId('diagnostics')]).toEqual(['–', null]);
  engine.handlers = { 'app.info': () => info({ store: 'keychain', locked: false }) };
  await fireEvent.click(screen.getByText('Try again'));
  await waitFor(() => expect(screen.getByTestId('data-dir').textContent).toBe('/data'));
  expect(screen.getByTestId('diagnostics').textContent).toContain('Perfdeck 0.1.0 on test, browser');
});

test('only the desktop opens the folder of the store', async () => {
  let opened = 0;
  engine.face = { openDataDir: async () => void (opened += 1) };
  const { context } = fakeApp({ 'journal.list': () => [] });
  render(Settings, { context });
  await fireEvent.click(await screen.findByTestId('open-data-dir'));
  await waitFor(() => expect(opened).toBe(1));
});

test('the journal is of one environment when the address says so', async () => {
  const asked: (string | null)[] = [];
  const { context, address } = fakeApp(
    {
      'journal.list': ({ environment_id }) => {
        asked.push(environment_id);
        return environment_id === 'b' ? [] : [entry(), entry({ kind: 'load_ended', run_id: 'r1', text: '30 s' })];
      },
    },
    { path: '/settings?of=b' },
  );
  render(Settings, { context });
  expect((await screen.findByTestId('journal-empty')).textContent).toContain('Nothing yet in this environment');
  const choice = screen.getByTestId('journal-environment') as HTMLSelectElement;
  expect(choice.value).toBe('b');
  await fireEvent.change(choice, { target: { value: '' } });
  await waitFor(() => expect(screen.getAllByTestId('journal-entry')).toHaveLength(2));
  expect([asked, address.query]).toEqual([['b', null], '']);
});

test('an environment that was deleted leads from the journal to where it is restored', async () => {
  const { context } = fakeApp(
    { 'journal.list': () => [entry({ kind: 'deleted', at_ms: Date.now() - 1000, text: 'it can be restored for a week' })] },
    { path: '/settings' },
  );
  render(Settings, { context });
  await waitFor(() => expect(screen.getByTestId('journal-run').textContent).toBe('Recently deleted'));
  await fireEvent.click(screen.getByTestId('journal-run'));
  expect(location.hash).toContain('/deleted?like=shop');
});

test('a journal that cannot be read says why, and is read again', async () => {
  let well = false;
  const { context } = fakeApp({
    'journal.list': () => {
      if (!well) throw refusal('The store is busy', 'Wait a moment');
      return [entry()];
    },
  });
  render(Settings, { context });
  await waitFor(() => expect(screen.getByText(/The store is busy\. Wait a moment/)).toBeTruthy());
  well = true;
  await fireEvent.click(screen.getByTestId('journal-retry'));
  await waitFor(() => expect(screen.getByTestId('journal').textContent).toContain('no name was typed'));
});

test('what was written of the runs of a duet stands under it, and leads to its result', async () => {
  const part_of = { kind: 'comparison' as const, id: 'c1', name: 'after against before' };
  const runs = Array.from({ length: 32 }, (_, i) =>
    entry({ at_ms: AT - i, kind: i % 2 === 0 ? 'load_ended' : 'load_started', run_id: `r${i >> 1}`, text: `pair ${i}`, part_of }),
  );
  const { context } = fakeApp({ 'journal.list': () => [entry({ at_ms: AT + 1, text: 'no name was typed' }), ...runs] });
  render(Settings, { context });
  const rows = await screen.findAllByTestId('journal-entry');
  expect(rows.length).toBe(2);
  expect(rows[1]!.textContent).toContain('after against before, 16 runs');
  rows[1]!.focus();
  await fireEvent.keyDown(rows[1]!, { key: 'ArrowRight' });
  await waitFor(() => expect(screen.getAllByTestId('journal-entry').length).toBe(34));
  expect(screen.getByTestId('journal-count').textContent).toBe('33 entries');
  expect(screen.getByRole('button', { name: 'Open result of after against before' })).toBeTruthy();
});

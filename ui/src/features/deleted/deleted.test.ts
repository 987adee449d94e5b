// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { DeletedItem } from '../../backend/types';
import { toasts } from '../../kit/toasts.svelte';
import { fakeApp } from '../../testing/app';
import { refusal } from '../../testing/backend';
import { AT, environment, report, run } from '../../testing/values';
import { FEATURES } from '..';
import Deleted from './index.svelte';

vi.mock('../../backend', async () => (await import('../../testing/backend')).door);

const WEEK = 7 * 86_400_000;
const item = (of: Partial<DeletedItem> = {}): DeletedItem => ({
  kind: 'run',
  id: 'r1',
  name: 'checkout',
  environment: 'shop',
  deleted_ms: AT,
  until_ms: AT + WEEK,
  ...of,
});
const all = (): DeletedItem[] => [
  item(),
  item({ kind: 'comparison', id: 'c1', name: 'before and after', deleted_ms: AT - 1 }),
  item({ kind: 'knee', id: 'k1', name: 'knee of checkout', deleted_ms: AT - 2 }),
  item({ kind: 'report', id: 'd1', name: 'for the team', deleted_ms: AT - 3 }),
  item({ kind: 'environment', id: 'old', name: 'old shop', environment: null, deleted_ms: AT - 4 }),
];
const rows = (): string[] =>
  screen.queryAllByTestId('deleted-row').map((r) =>
    [...r.querySelectorAll('td')]
      .slice(0, 3)
      .map((td) => td.textContent!.trim())
      .join(', '),
  );

/** The screen over what is left of `left`; restoring takes it away. */
function open(left: DeletedItem[]) {
  const restore = (id: string): true => {
    left.splice(
      left.findIndex((d) => d.id === id),
      1,
    );
    return true;
  };
  const fake = fakeApp(
    {
      'deleted.list': () => [...left],
      'run.restore': ({ id }) => (restore(id), run({ id })),
      'comparison.restore': ({ id }) => restore(id),
      'knee.restore': ({ id }) => restore(id),
      'report.restore': ({ id }) => (restore(id), report({ id })),
      'env.restore': ({ id }) => (restore(id), environment({ id })),
    },
    { path: '/deleted' },
  );
  render(Deleted, { context: fake.context });
  return fake;
}
beforeEach(() => {
  document.body.innerHTML = '';
});
afterEach(() => {
  for (const toast of toasts.list) toasts.dismiss(toast.id);
});

test('everything that was deleted is listed, the newest first, and found by its name', async () => {
  open(all());
  await waitFor(() =>
    expect(rows()).toEqual([
      'run, checkout, shop',
      'comparison, before and after, shop',
      'search for a knee, knee of checkout, shop',
      'report, for the team, shop',
      'environment, old shop, –',
    ]),
  );
  expect(screen.getAllByTestId('deleted-row')[0]!.querySelectorAll('time')[1]!.getAttribute('datetime')).toBe(
    new Date(AT + WEEK).toISOString(),
  );
  await fireEvent.input(screen.getByTestId('deleted-table-filter'), { target: { value: 'team' } });
  await waitFor(() => expect(rows()).toEqual(['report, for the team, shop']));
});

test('each kind is restored by its own command, and leads to where it is', async () => {
  const left = all();
  const { calls, address } = open(left);
  await screen.findAllByTestId('deleted-row');
  for (const [command, to] of [
    ['run.restore', '/benchmarks/r1'],
    ['comparison.restore', '/benchmarks/comparison/c1'],
    ['knee.restore', '/benchmarks/knee/k1'],
    ['report.restore', '/reports/d1'],
  ] as const) {
    const before = left.length;
    await fireEvent.click(screen.getAllByTestId('deleted-restore')[0]!);
    await waitFor(() => expect(screen.getAllByTestId('deleted-row')).toHaveLength(before - 1));
    expect(calls.filter((c) => c.endsWith('.restore')).at(-1)).toBe(command);
    toasts.list.at(-1)!.action!.run();
    expect(address.path).toBe(to);
  }
  await fireEvent.click(screen.getByTestId('deleted-restore'));
  expect((await screen.findByTestId('deleted-empty')).textContent).toContain('Nothing was deleted in the last seven days');
  expect(calls).toContain('env.restore');
});

test('Enter restores, and the row that comes up has the focus', async () => {
  const { calls } = open(all());
  const row = (await screen.findAllByTestId('deleted-row'))[1]!;
  row.focus();
  // A key that is held, before the engine has answered.
  void fireEvent.keyDown(row, { key: 'Enter' });
  void fireEvent.keyDown(row, { key: 'Enter' });
  await waitFor(() => expect(rows()).toHaveLength(4));
  expect(
    calls.filter((c) => c === 'comparison.restore'),
    'once',
  ).toHaveLength(1);
  await waitFor(() => expect(document.activeElement).toBe(screen.getAllByTestId('deleted-row')[1]));
  expect(document.activeElement?.textContent).toContain('knee of checkout');
});

test('what cannot be restored says why, and stays', async () => {
  const { context } = fakeApp(
    {
      'deleted.list': () => [item()],
      'run.restore': () => {
        throw refusal('Its environment is deleted', 'Restore “old shop” first');
      },
    },
    { path: '/deleted' },
  );
  render(Deleted, { context });
  await fireEvent.click(await screen.findByTestId('deleted-restore'));
  const said = await screen.findByTestId('deleted-problem');
  expect(said.textContent).toContain('“checkout”: Its environment is deleted. Restore “old shop” first');
  expect(rows()).toHaveLength(1);
});

test('what another window deletes is listed, and a refusal is read again', async () => {
  let list: DeletedItem[] | null = [];
  const { context, push } = fakeApp(
    {
      'deleted.list': () => {
        if (list === null) throw refusal('The store is busy');
        return list;
      },
    },
    { path: '/deleted' },
  );
  render(Deleted, { context });
  await screen.findByTestId('deleted-empty');
  for (const tag of ['runs', 'comparisons', 'knees', 'reports', 'environments'] as const) {
    list = [item({ name: tag })];
    push({ changed: [tag] });
    await waitFor(() => expect(rows()[0]).toBe(`run, ${tag}, shop`));
  }
  list = null;
  push({ changed: ['runs'] });
  expect((await screen.findByTestId('deleted-unread')).textContent).toContain('The store is busy');
  list = [];
  await fireEvent.click(screen.getByTestId('deleted-retry'));
  await screen.findByTestId('deleted-empty');
});

test('the palette knows it by what one would look for', () => {
  const feature = FEATURES.find((f) => f.path === '/deleted')!;
  const command = feature.commands!()[0]!;
  for (const word of ['restore', 'undo', 'trash', 'deleted']) expect(`${command.name} ${command.also}`).toContain(word);
  expect(feature.rail, 'no place in the rail').toBeUndefined();
});

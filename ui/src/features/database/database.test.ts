// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, expect, test, vi } from 'vitest';
import type { DatabaseActivity, RunningStatement } from '../../backend/types';
import { fakeApp } from '../../testing/app';
import { refusal } from '../../testing/backend';
import { finding, proof, target } from '../../testing/values';
import Database from './index.svelte';

afterEach(() => void vi.useRealTimers());
const statement = (of: Partial<RunningStatement> = {}): RunningStatement => ({
  id: 7,
  user: 'reader',
  database: 'app',
  application: 'web',
  state: 'active',
  wait: null,
  running_s: 12,
  transaction_s: null,
  blocked_by: [],
  statement: 'select * from orders where id = $1',
  ...of,
});
const activity = (of: Partial<DatabaseActivity> = {}): DatabaseActivity => ({ statements: [], hidden: 0, grant: null, ...of });
const plain = (text: string | null): string => (text ?? '').replaceAll(/[\u2009\u202f]/g, ' ');
const there = {
  environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['database'] },
  targets: [target()],
  path: '/database',
};

test('an environment without a database says so, with the way to add one', async () => {
  const { context, address } = fakeApp({});
  render(Database, { context });
  await fireEvent.click(screen.getByText('Add a database'));
  expect(address.path).toBe('/environments/shop');
});

test('what runs now is listed, who waits for whom, and unknown is a dash', async () => {
  const { context } = fakeApp(
    { 'db.activity': () => activity({ statements: [statement(), statement({ id: 8, wait: 'lock', blocked_by: [7] })] }) },
    there,
  );
  render(Database, { context });
  const rows = await screen.findAllByTestId('statement');
  expect(rows).toHaveLength(2);
  expect(rows[0]!.textContent).toContain('blocks 1');
  expect(rows[1]!.textContent).toMatch(/lock.*7$/);
  expect(plain(screen.getByTestId('database-answer').textContent)).toMatch(/1 session waits for one:\s*web, running for 12 s/);
  const tree = screen.getAllByTestId('blocking-session');
  expect(tree.map((n) => n.querySelector('code')?.textContent)).toEqual(['7', '8']);
  expect(screen.getByTestId('blocking').textContent).toContain('SELECT pg_terminate_backend(7);');
});

test('a session shows its statement whole, to copy and to measure, and the address names it', async () => {
  const { context, address } = fakeApp({ 'db.activity': () => activity({ statements: [statement()] }) }, there);
  render(Database, { context });
  const row = await screen.findByTestId('statement');
  await fireEvent.click(row.querySelector('button')!);
  expect(address.query).toBe('session=7');
  expect(screen.getByTestId('session').textContent).toContain('select * from orders where id = $1');
  let copied = '';
  Object.assign(navigator, { clipboard: { writeText: async (text: string) => void (copied = text) } });
  await fireEvent.click(screen.getByTestId('session-copy'));
  expect(copied).toBe('select * from orders where id = $1');
  await fireEvent.click(screen.getByTestId('session-benchmark'));
  expect([address.path, address.param('kind'), address.param('statement')]).toEqual(['/benchmarks/new', 'sql', copied]);
});

test('the sessions are a list: longest first, found by who they are and by whom they wait for, sorted and copied', async () => {
  const statements = [
    statement({ id: 7, running_s: 3, user: 'nightly' }),
    statement({ id: 8, running_s: 2, wait: 'Lock: tuple', blocked_by: [9] }),
    statement({ id: 9, running_s: 1, state: 'idle in transaction', transaction_s: 158, application: 'reconcile' }),
  ];
  const { context, address } = fakeApp({ 'db.activity': () => activity({ statements }) }, there);
  render(Database, { context });
  await screen.findAllByTestId('statement');
  const ids = (): string[] => screen.queryAllByTestId('statement').map((r) => r.querySelector('code')!.textContent!);
  expect(ids(), 'an idle one is as old as its transaction').toEqual(['9', '7', '8']);
  expect(screen.getByTestId('statement-table-count').textContent).toBe('3 sessions');
  const filter = screen.getByTestId('statement-table-filter');
  for (const [text, found] of [
    ['nightly', ['7']],
    ['tuple', ['8']],
    ['9', ['9', '8']],
  ] as const) {
    await fireEvent.input(filter, { target: { value: text } });
    await waitFor(() => expect(ids(), text).toEqual(found));
  }
  await fireEvent.input(filter, { target: { value: '' } });
  await fireEvent.click(screen.getByRole('button', { name: /^blocked by/ }));
  await waitFor(() => expect(ids(), 'who holds up others first').toEqual(['9', '8', '7']));
  await waitFor(() => expect(address.query).toBe('sessions-sort=blocked'));
  let copied = '';
  Object.assign(navigator, { clipboard: { writeText: async (text: string) => void (copied = text) } });
  const row = screen.getAllByTestId('statement')[1]!;
  row.focus();
  await fireEvent.keyDown(row, { key: 'c', ctrlKey: true });
  await waitFor(() => expect(plain(copied)).toBe('8\tweb\tactive\tLock: tuple\t2.0 s\tselect * from orders where id = $1\t9'));
});

test('Enter on a session shows its statement below the list, and takes it away again', async () => {
  const { context, address } = fakeApp({ 'db.activity': () => activity({ statements: [statement()] }) }, there);
  render(Database, { context });
  const row = await screen.findByTestId('statement');
  row.focus();
  await fireEvent.keyDown(row, { key: 'Enter' });
  expect(address.query).toBe('session=7');
  expect(row.getAttribute('aria-selected')).toBe('true');
  const below = screen.getByTestId('statement-table').compareDocumentPosition(screen.getByTestId('session'));
  expect(below & Node.DOCUMENT_POSITION_FOLLOWING, 'no row moves').toBeTruthy();
  await fireEvent.keyDown(row, { key: 'Enter' });
  await waitFor(() => expect(screen.queryByTestId('session')).toBeNull());
});

test('fifty sessions are said to be the longest', async () => {
  const statements = Array.from({ length: 50 }, (_, i) => statement({ id: i + 1 }));
  const { context } = fakeApp({ 'db.activity': () => activity({ statements }) }, there);
  render(Database, { context });
  await screen.findAllByTestId('statement');
  expect(screen.getByTestId('statements').textContent).toContain('the longest 50');
});

test('it is looked at every two seconds, and a failure keeps what was seen', async () => {
  vi.useFakeTimers();
  let well = true;
  const { context, calls } = fakeApp(
    {
      'db.activity': () => {
        if (!well) throw refusal('The connection was lost');
        return activity({ statements: [statement()] });
      },
    },
    there,
  );
  const { unmount } = render(Database, { context });
  const looked = (): number => calls.filter((c) => c === 'db.activity').length;
  await vi.advanceTimersByTimeAsync(4000);
  expect(looked()).toBe(3);
  well = false;
  await vi.advanceTimersByTimeAsync(2000);
  expect(screen.getByTestId('statements').textContent).toContain('The connection was lost');
  expect(screen.getAllByTestId('statement')).toHaveLength(1);
  unmount();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(looked(), 'a screen that was left asks nothing').toBe(4);
});

test('what this user may not see is said, with the statement that changes it', async () => {
  const { context } = fakeApp({ 'db.activity': () => activity({ hidden: 2, grant: 'GRANT pg_read_all_stats TO reader' }) }, there);
  render(Database, { context });
  await waitFor(() => expect(screen.getByTestId('statements-hidden').textContent).toContain('2 sessions hide their statement'));
  expect(screen.getByText('GRANT pg_read_all_stats TO reader')).toBeTruthy();
  expect(screen.queryByTestId('statements-none'), 'hidden is not none').toBeNull();
});

test('a finding that a change would mend is listed here, and its button leads to the change', async () => {
  const drop = finding({
    action: { label: 'Review drop', opens: { what: 'change', kind: 'drop_index', object: 'public.two' } },
    proof: proof({ steps: [{ label: 'Plan the drop', opens: { what: 'change', kind: 'drop_index', object: 'public.two' } }] }),
  });
  const { context, address } = fakeApp({ 'db.activity': () => activity() }, { ...there, findings: [drop] });
  render(Database, { context });
  await fireEvent.click(await screen.findByText('Review drop'));
  await fireEvent.click(await screen.findByText('Plan the drop'));
  expect([address.path, address.param('plan'), address.param('object')]).toEqual(['/changes', 'drop_index', 'public.two']);
});

test('SQLite has no sessions and is not asked', async () => {
  const { context, calls } = fakeApp({}, { ...there, targets: [target({ version: 'SQLite 3.51' })] });
  render(Database, { context });
  expect(screen.getByText('SQLite runs inside its application and lists no sessions.')).toBeTruthy();
  expect(calls).toEqual([]);
});

test('a history that cannot be read says why', async () => {
  const { context } = fakeApp({ 'db.activity': () => activity() }, there);
  render(Database, { context });
  await waitFor(() => expect(screen.getByText(/no columns here/)).toBeTruthy());
});

// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, expect, test, vi } from 'vitest';
import type { DatabaseActivity } from '../../backend/types';
import { fakeApp } from '../../testing/app';
import { changeDetail, plannedChange } from '../../testing/changes';
import { refusal } from '../../testing/backend';
import { finding, job, proof, target } from '../../testing/values';
import { activity, blocked, nobody, open, session, waiter } from './activity/activity.testing';
import Sessions from './activity/Sessions.svelte';
import Database from './index.svelte';

afterEach(() => void vi.useRealTimers());
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

test('what the sessions do is listed, who waits for whom, and unknown is a dash', async () => {
  const { context } = fakeApp({ 'db.activity': () => blocked() }, there);
  render(Database, { context });
  const rows = await screen.findAllByTestId('statement');
  expect(rows).toHaveLength(2);
  expect(rows[0]!.textContent).toMatch(/reconcile.*idle in transaction.*after.*–\s*1\s*$/s);
  expect(rows[1]!.textContent).toMatch(/api.*Lock: transactionid.*7\s*–\s*$/s);
  expect(plain(screen.getByTestId('database-answer').textContent)).toMatch(
    /1 session waits for one:\s*reconcile, idle in transaction for 2 min 38 s/,
  );
  const tree = screen.getAllByTestId('blocking-session');
  expect(tree.map((n) => n.querySelector('code')?.textContent)).toEqual(['7', '8']);
  expect(tree[1]!.textContent).toContain('a row of payments');
  expect(screen.getByTestId('transactions').textContent).toMatch(/7.*reconcile.*4\Wmin.18.*what it wrote/s);
  const actions = screen.getByTestId('blocking-actions').textContent;
  expect(actions, 'what cannot be done stays listed with its reason').toMatch(/Terminate 7.*1.*rolled back.*Cancel 7.*idle: no statement/s);
});

test('a session shows its statement whole, to copy and to measure, and the address names it', async () => {
  const { context, address } = fakeApp({ 'db.activity': () => activity({ sessions: [session(7)] }) }, there);
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

test('what a finding names is shown, and Enter takes it away again', async () => {
  const at = { ...there, path: '/database?session=8' };
  const { context, address } = fakeApp({ 'db.activity': () => blocked() }, at);
  render(Database, { context });
  await waitFor(() => expect(screen.getByTestId('session').textContent).toContain('a row of public.payments'));
  const row = screen.getAllByTestId('statement')[1]!;
  expect(row.getAttribute('aria-selected')).toBe('true');
  const below = screen.getByTestId('statement-table').compareDocumentPosition(screen.getByTestId('session'));
  expect(below & Node.DOCUMENT_POSITION_FOLLOWING, 'no row moves').toBeTruthy();
  row.focus();
  await fireEvent.keyDown(row, { key: 'Enter' });
  await waitFor(() => expect(screen.queryByTestId('session')).toBeNull());
  expect(address.query).toBe('');
});

test('who is in the middle of a chain is blocked and holds up; a wait that is new is no finding yet, and not nothing', async () => {
  const chain = blocked();
  const sessions = [...chain.sessions, waiter(9, [8])].map((s) => (s.pid === 8 ? { ...s, holds_up: 1 } : s));
  const { context } = fakeApp({ 'db.activity': () => activity({ ...chain, sessions }) }, { ...there, findings: [] });
  render(Database, { context });
  const rows = await screen.findAllByTestId('statement');
  const middle = rows.find((row) => row.textContent?.trim().startsWith('8'))!;
  expect([...middle.querySelectorAll('td')].slice(-2).map((cell) => cell.textContent?.trim())).toEqual(['7', '1']);
  await waitFor(() => expect(screen.getByTestId('findings').textContent).not.toMatch(/^\s*Nothing to mend/));
});

test('a session that is not tracked says so, with what helps, in the list and of itself', async () => {
  const untracked = session(7, { state: 'disabled', wait_class: 'other', statement: '', age_s: null });
  const { context } = fakeApp({ 'db.activity': () => activity({ sessions: [untracked] }) }, { ...there, path: '/database?session=7' });
  render(Database, { context });
  expect((await screen.findByTestId('statement')).textContent).toContain('activity not tracked');
  for (const place of [screen.getByTestId('sessions-untracked'), await screen.findByTestId('session')])
    expect(place.textContent).toContain('ALTER SYSTEM SET track_activities = on;');
  expect(screen.getByTestId('session').textContent).not.toContain('disabled');
});

test('the sessions are a list: found by who they are and by whom they wait for, sorted and copied', async () => {
  const sessions = [
    session(6, { age_s: 3, user: 'nightly' }),
    waiter(8, [9], { wait: 'Lock: tuple' }),
    open(9, { application: 'reconcile', holds_up: 1 }),
  ];
  const { context, address } = fakeApp({ 'db.activity': () => activity({ sessions }) }, there);
  render(Database, { context });
  await screen.findAllByTestId('statement');
  const ids = (): string[] => screen.queryAllByTestId('statement').map((r) => r.querySelector('code')!.textContent!);
  expect(ids(), 'who holds up others, who waits, who works').toEqual(['9', '8', '6']);
  const filter = screen.getByTestId('statement-table-filter');
  for (const [text, found] of [
    ['nightly', ['6']],
    ['tuple', ['8']],
    ['9', ['9', '8']],
  ] as const) {
    await fireEvent.input(filter, { target: { value: text } });
    await waitFor(() => expect(ids(), text).toEqual(found));
  }
  await fireEvent.input(filter, { target: { value: '' } });
  await fireEvent.click(screen.getByRole('button', { name: /^pid/ }));
  await waitFor(() => expect(ids()).toEqual(['6', '8', '9']));
  await waitFor(() => expect(address.query).toBe('sessions-sort=session'));
});

test('many that wait or rest are folded under a sentence, and unfolded', async () => {
  const idle = Array.from({ length: 9 }, (_, i) => session(20 + i, { state: 'idle', wait_class: 'idle' }));
  const { context } = fakeApp({ 'db.activity': () => activity({ sessions: [session(7), ...idle], left_out: 3 }) }, there);
  render(Database, { context });
  const rows = await screen.findAllByTestId('statement');
  expect(rows).toHaveLength(2);
  expect(rows[1]!.textContent).toContain('9 more: 9 idle');
  expect(screen.getByTestId('sessions-left-out').textContent).toMatch(/The first 10 are listed.*3\s+more are not/s);
  await fireEvent.click(screen.getByTestId('statement-table-fold'));
  await waitFor(() => expect(screen.getAllByTestId('statement')).toHaveLength(11));
});

test('what holds up others is ended: what it frees and costs first, then the guard, then what came of it', async () => {
  const planned = plannedChange({
    kind: 'terminate_session',
    object: '7@1',
    title: 'Terminate session `7` of `reconcile`',
    statement: 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = 7',
    undo_statement: null,
    notes: ['It cannot be undone'],
    preview: [{ figure: 'sessions_freed', what: 'Sessions freed at once', predicted: 1, came: null, unit: 'count' }],
  });
  let state = planned;
  let found: DatabaseActivity = blocked();
  const started = job({ id: 'j', kind: 'change', title: 'Terminate session 7 of reconcile' });
  const sent: unknown[] = [];
  const { context, push } = fakeApp(
    {
      'db.activity': () => found,
      'changes.plan': (request) => {
        sent.push(request);
        return changeDetail(planned, { confirm: 'shop' });
      },
      'changes.apply': (request) => {
        sent.push(request);
        return started;
      },
      'changes.check': () => changeDetail(state, { confirm: 'shop' }),
      'job.get': () => started,
    },
    there,
  );
  render(Database, { context });
  await fireEvent.click(await screen.findByTestId('blocking-do'));
  expect(sent).toEqual([{ kind: 'terminate_session', environment_id: 'shop', object: '7@1' }]);
  await waitFor(() => expect(screen.getByTestId('ending').textContent).toMatch(/cannot be undone.*Sessions freed at once.*1.*pid = 7/s));
  const button = screen.getByTestId('change-confirmed') as HTMLButtonElement;
  expect(button.disabled, 'the name is not typed yet').toBe(true);
  await fireEvent.input(screen.getByTestId('change-confirm-name'), { target: { value: 'shop' } });
  await fireEvent.click(button);
  await waitFor(() => expect(sent[1]).toEqual({ id: 'c1', confirm: 'shop', agree: null }));
  state = {
    ...planned,
    state: 'kept',
    target_says: { says: 'as_applied', text: 'the session is gone' },
    preview: [{ ...planned.preview[0]!, came: 1 }],
  };
  found = activity({ sessions: [session(8)] });
  push({ jobs: [job({ ...started, state: 'done', result: { kind: 'change', id: 'c1' } })] });
  await waitFor(() => expect(screen.getByTestId('ending-done').textContent).toMatch(/The session is gone.*1 of 1 sessions/s));
  await waitFor(() => expect(screen.queryAllByTestId('blocking-session')).toHaveLength(0));
});

test('what came of ending a session is said also once it is not among the others any more', async () => {
  const planned = plannedChange({ kind: 'terminate_session', undo_statement: null, notes: [], preview: [] });
  const started = job({ id: 'j', kind: 'change' });
  let found = activity({ sessions: [session(7), session(8)] });
  let state = planned;
  const { context, push } = fakeApp(
    {
      'db.activity': () => found,
      'changes.plan': () => changeDetail(planned),
      'changes.apply': () => started,
      'changes.check': () => changeDetail(state),
      'job.get': () => started,
    },
    { ...there, path: '/database?session=7' },
  );
  render(Database, { context });
  await fireEvent.click(await screen.findByTestId('session-terminate'));
  await fireEvent.click(await screen.findByTestId('ending-do'));
  found = activity({ sessions: [session(8)] });
  state = { ...planned, state: 'kept', target_says: { says: 'as_applied', text: 'the session is gone' } };
  push({ jobs: [job({ ...started, state: 'done', result: { kind: 'change', id: 'c1' } })] });
  await waitFor(() => expect(screen.getByTestId('ending-done').textContent).toContain('The session is gone'));
  await waitFor(() => expect(screen.getAllByTestId('statement')).toHaveLength(1));
  expect(screen.getByTestId('session').textContent, 'what it did is not known any more').not.toContain('active for');
  await fireEvent.click(screen.getByTestId('ending-close'));
  await waitFor(() => expect(screen.queryByTestId('session')).toBeNull());
});

test('a guard that says no is shown in place of the button, and what is gone is said', async () => {
  let refuse = false;
  const planned = plannedChange({ kind: 'terminate_session', undo_statement: null, preview: [] });
  const { context } = fakeApp(
    {
      'db.activity': () => blocked(),
      'changes.plan': () => {
        if (refuse) throw refusal('There is no session 7');
        return changeDetail(planned, { guard: "'shop' is read-only" });
      },
    },
    there,
  );
  const { unmount } = render(Database, { context });
  await fireEvent.click(await screen.findByTestId('blocking-do'));
  await waitFor(() => expect(screen.getByTestId('ending-guard').textContent).toContain('read-only'));
  expect(screen.queryByTestId('ending-do')).toBeNull();
  unmount();
  refuse = true;
  render(Database, { context });
  await fireEvent.click(await screen.findByTestId('blocking-do'));
  await waitFor(() => expect(screen.getByTestId('ending-refused').textContent).toContain('There is no session 7'));
});

test('a prepared transaction has no session to end: the statement that ends it is given', async () => {
  const rollback = "ROLLBACK PREPARED 'two';";
  const held = activity({
    sessions: [waiter(8, [0])],
    prepared: [{ gid: 'two', user: 'app', database: 'app', age_s: 40, xids: 3, holds_up: 1, rollback }],
    blocking: {
      ...nobody,
      roots: 1,
      waiting: 1,
      actions: [
        {
          kind: null,
          object: 'two',
          pid: 0,
          label: "Roll back prepared 'two'",
          frees: null,
          costs: 'no session',
          possible: false,
          statement: rollback,
        },
      ],
      rows: blocked().blocking.rows.map((r, i) => (i === 0 ? { ...r, pid: 0, gid: 'two', name: 'two' } : r)),
    },
  });
  const { context } = fakeApp({ 'db.activity': () => held }, there);
  render(Database, { context });
  await waitFor(() => expect(screen.getByTestId('blocking').textContent).toContain(rollback));
  expect(screen.queryByTestId('blocking-do'), 'nothing here can be done by Perfdeck').toBeNull();
  expect(screen.getByTestId('prepared').textContent).toMatch(/two, app.*1 session waiting/s);
});

test('the sessions at the cursor are shown when they are asked for, and what is not kept is said', async () => {
  const asked: boolean[] = [];
  const kept = 1_790_000_000_000;
  const { context } = fakeApp({}, there);
  const shown = (at: number | null, missing: boolean): void => {
    render(Sessions, {
      context,
      props: {
        activity: missing ? null : activity({ sessions: [open(9)] }),
        old: false,
        unread: false,
        cursor: kept,
        at,
        missing,
        show: (cursor: boolean) => void asked.push(cursor),
        chosen: null,
        choose: () => undefined,
      },
    });
  };
  shown(null, false);
  await fireEvent.click(screen.getByTestId('sessions-cursor'));
  expect(asked, 'the cursor is asked for').toEqual([true]);
  shown(kept, true);
  expect(screen.getByTestId('sessions-missing').textContent).toContain('Nothing is kept of this time');
});

test('maintenance says how far it is, and for whom it waits', async () => {
  const of = { pid: 5, object: 'public.t', phase: 'scanning heap', unit: 'blocks', elapsed_s: 3, left_s: null, waits_for: null };
  const maintenance = [
    { ...of, kind: 'Autovacuum', done: 62, total: 100 },
    { ...of, pid: 4, kind: 'Analyze', done: 18, total: 100, left_s: 44 },
    { ...of, pid: 6, kind: 'Reindex', done: null, total: null, phase: 'waiting for old snapshots', waits_for: 7 },
  ];
  const { context } = fakeApp({ 'db.activity': () => activity({ maintenance }) }, there);
  render(Database, { context });
  const rows = await screen.findAllByTestId('maintenance-row');
  expect(plain(rows[0]!.textContent)).toMatch(/Autovacuum.*public\.t.*62 %.*62 of 100 blocks/s);
  expect(plain(rows[0]!.textContent), 'how long it takes is not known').toContain('for 3.0 s');
  expect(plain(rows[1]!.textContent)).toContain('about 44 s left of this phase');
  expect(rows[2]!.textContent).toMatch(/waits.*for 7/s);
});

test('it is looked at every two seconds, and a failure keeps what was seen', async () => {
  vi.useFakeTimers();
  let well = true;
  const { context, calls } = fakeApp(
    {
      'db.activity': () => {
        if (!well) throw refusal('The connection was lost');
        return activity({ sessions: [session(7)] });
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
  expect(screen.getByTestId('activity-problem').textContent).toContain('The connection was lost');
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

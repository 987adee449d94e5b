import { expect, test } from 'vitest';
import type { DatabaseSession } from '../../../backend/types';
import type { LaneSpec } from '../../../charts/lane';
import { activity, blocked, branch, nobody, open, session, waiter } from './activity.testing';
import { ageWord, blockedWord, counted, holdsWord, longTransactions, rowsOf, shareOf, stateWord, verdict, waitsNote } from './activity';
import { lanesOf } from './lanes';
import { applicationsOf, poolsOf, shownOf } from './pools';

const plain = (text: string): string => text.replaceAll(/[\u2009\u202f]/g, ' ');
const said = (of: Parameters<typeof activity>[0]): string => {
  const v = verdict(activity(of));
  return plain(`${v.tone}: ${v.strong} ${v.rest}`);
};

test('who is blocked comes first, with who holds them up and for how long', () => {
  expect(said(blocked())).toBe('bad: 1 session waits for one: reconcile, idle in transaction for 2 min 38 s');
  expect(plain(verdict(blocked()).support)).toBe('The longest wait has lasted 1 min 51 s. 2 sessions: 1 active, 1 idle in transaction.');
  const short = { ...blocked(), blocking: { ...blocked().blocking, longest_s: 2 } };
  expect(said(short), 'a short wait is not a failure yet').toMatch(/^warn: 1 session waits/);
  const two = { ...blocked(), blocking: { ...blocked().blocking, roots: 2, waiting: 5 } };
  expect(said(two)).toMatch(/^bad: 5 sessions wait for 2 others: most of them for reconcile/);
  const circle = { ...nobody, roots: 1, waiting: 2, longest_s: 1, rows: [branch(1, 0, { deadlock: true, name: 'one' })] };
  expect(said({ sessions: [waiter(1, [2])], blocking: circle })).toBe('bad: 2 sessions wait for one: one, a deadlock in progress');
  const prepared = { ...nobody, roots: 1, waiting: 1, rows: [branch(0, 0, { gid: 'two', name: 'two' })] };
  expect(said({ sessions: [waiter(1, [0])], blocking: prepared })).toBe('warn: 1 session waits for one: two, a prepared transaction');
});

test('a lock whose holder is not told is no lock that nobody waits for', () => {
  expect(said({ blocking: { ...nobody, unknown: 2 } })).toBe('warn: 2 sessions wait for a lock, and the server does not tell who holds it');
});

test('hidden is not none, and what runs is counted', () => {
  expect(said({ hidden: 3 })).toBe('warn: 3 sessions hide their statement from this user');
  expect(said({ hidden: null })).toBe('warn: Other sessions may be hidden from this user');
  expect(said({})).toBe('ok: No statement runs at the moment');
  expect(said({ sessions: [open(1, { application: 'reconcile' })] })).toBe(
    'ok: No statement runs now; the longest open transaction is reconcile, for 4 min 18 s',
  );
  expect(said({ sessions: [session(1), session(2, { age_s: 1 })] })).toBe(
    'ok: 2 statements run, the longest for 12 s; nobody waits for a lock',
  );
  expect(said({ sessions: [session(1, { state: 'disabled', age_s: null }), session(2)] }), 'unknown is not running').toBe(
    'warn: What 1 session does is not tracked by the server',
  );
  const resting = session(3, { state: 'idle', wait_class: 'idle' });
  expect(plain(counted(activity({ sessions: [resting], left_out: 4 })))).toBe('1 session: 0 active, 1 idle; 4 more sessions not listed');
});

test('who is not tracked is neither active nor idle', () => {
  const untracked = session(1, { state: 'disabled', wait_class: 'other', statement: '' });
  expect(said({ sessions: [untracked, session(2)] })).toBe('warn: What 1 session does is not tracked by the server');
  expect(plain(counted(activity({ sessions: [untracked, session(2)] })))).toBe('2 sessions: 1 active, 1 not tracked');
});

test('a wait that is no finding yet is not nothing', () => {
  expect(plain(waitsNote(blocked()) ?? '')).toBe('A wait for a lock is a finding once it has lasted 1 min');
  expect(waitsNote(activity())).toBeNull();
  expect(waitsNote(activity({ blocking: { ...nobody, unknown: 1 } }))).not.toBeNull();
});

test('holders come first, then who waits the longest; many are folded under a sentence', () => {
  const waiting = Array.from({ length: 12 }, (_, i) => waiter(100 + i, [7], { waits_s: i + 1, application: i < 3 ? 'worker' : 'api' }));
  const idle = Array.from({ length: 5 }, (_, i) => session(200 + i, { state: 'idle', wait_class: 'idle' }));
  const rows = rowsOf([...idle, ...waiting, session(50), open(7, { holds_up: 12 }), open(8)]);
  expect(rows.map((r) => r.key)).toEqual(['7', '111', '110', '109', '108', '107', '106', '105', 'waiting', '50', 'idle']);
  expect(plain(rows[8]!.words)).toBe('5 more api and worker sessions wait, 1.0 s to 5.0 s');
  expect(rows[8]!.folded).toHaveLength(5);
  expect(plain(rows[10]!.words)).toBe('6 more: 1 idle in transaction, 5 idle');
  expect(
    rowsOf([open(8)]).map((r) => r.key),
    'a few are not folded',
  ).toEqual(['8']);
});

test('the words of a row', () => {
  expect(blockedWord(open(1, { holds_up: 16 })), 'it waits for nobody').toBe('–');
  expect(blockedWord(waiter(1, [2], { holds_up: 3 })), 'in the middle of a chain').toBe('2');
  expect(blockedWord(waiter(1, [2, 0, 4], { blocked_by_more: 3 }))).toBe('2, prepared and 4 more');
  const untracked = session(1, { state: 'disabled', age_s: null });
  expect([stateWord(untracked), ageWord(untracked)], 'unknown is not 0').toEqual(['activity not tracked', '–']);
  const holds = (of: Partial<DatabaseSession>): string => plain(holdsWord(session(1, of)));
  expect(holds({ rows_locked: 1204 })).toBe('1 204 row locks');
  expect(holds({ wrote: true })).toBe('what it wrote');
  expect(holds({ wrote: false, xids: 12 })).toBe('a snapshot');
  expect(holds({ wrote: null })).toBe('–');
});

test('long transactions are listed by their age, and maintenance by its share where it is known', () => {
  const list = longTransactions(activity({ sessions: [open(1, { transaction_s: 20 }), open(2, { transaction_s: 9 }), open(3)] }));
  expect(list.map((s) => s.pid)).toEqual([3, 1]);
  const work = { pid: 1, kind: 'Vacuum', object: null, phase: 'x', unit: 'blocks', elapsed_s: 1, left_s: null, waits_for: null };
  expect(shareOf({ ...work, done: 62, total: 100 })).toBe(0.62);
  expect(shareOf({ ...work, done: null, total: null }), 'unknown is not 0').toBeNull();
});

test('the lanes are waits, the oldest transaction and the largest pool that is told; the others are folded', () => {
  const lane = (key: string): LaneSpec => ({
    key, title: key, what: '', unit: 'count', kind: 'line', height: 40, series: [], scale: { kind: 'zero' },
  }); // prettier-ignore
  const all = [lane('connections'), lane('waits'), lane('locks')];
  const used = 'database.pool.sessions{application=api,state=in_use}';
  const has =
    (...ids: string[]) =>
    (id: string) =>
      ids.includes(id);
  const keys = (lanes: readonly LaneSpec[]): string[] => lanes.map((l) => l.key);
  const both = lanesOf(all, has('database.transaction.oldest', used), ['reports', 'api']);
  expect(keys(both.first)).toEqual(['waits', 'oldest', 'pool']);
  expect(keys(both.more)).toEqual(['connections', 'locks']);
  expect(both.first[2]?.what, 'of that which is told').toBe('api');
  expect(both.first[2]?.series.map((s) => s.label)).toEqual(['in use', 'idle']);
  const waiting = lanesOf(all, has('database.pool.waiting'), []);
  expect(
    waiting.first[1]?.series.map((s) => s.label),
    'a pooler tells who waits',
  ).toEqual(['waiting']);
  expect(lanesOf(all, has(), ['api']), 'nothing is folded where there is nothing else').toEqual({ first: all, more: [] });
});

test('a pool is the sessions of an application at an address, as they are in the reading', () => {
  const sessions = [
    session(1), session(2, { state: 'idle', wait_class: 'idle', age_s: 90 }), open(3), waiter(4, [3]),
    session(5, { client: '10.0.0.6' }), session(6, { application: null }),
  ]; // prettier-ignore
  const reading = activity({ sessions });
  const [first, second, ...none] = poolsOf(reading);
  expect([first?.sessions.length, second?.address, none.length]).toEqual([4, '10.0.0.6', 0]);
  const shown = shownOf(first!);
  expect(shown.runs.map((r) => `${r.count} ${r.cell}`)).toEqual(['1 lock', '1 active', '1 held', '1 idle']);
  expect(shown.used).toBe(3);
  expect(shown.figures.find((f) => f.name === 'waiting')?.value, 'known to the application alone').toBe('–');
  expect(applicationsOf(reading)).toEqual(['web']);
});

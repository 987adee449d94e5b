import { expect, test } from 'vitest';
import type { RunningStatement } from '../../../backend/types';
import { blocking, ending, verdict } from './activity';

const session = (id: number, of: Partial<RunningStatement> = {}): RunningStatement => ({
  id,
  user: 'reader',
  database: 'app',
  application: 'web',
  state: 'active',
  wait: null,
  running_s: 1,
  transaction_s: null,
  blocked_by: [],
  statement: 'select 1',
  ...of,
});
const said = (statements: RunningStatement[], hidden: number | null = 0): string => {
  const v = verdict({ statements, hidden, grant: null });
  return `${v.tone}: ${v.strong} ${v.rest}`.replaceAll(/[\u2009\u202f]/g, ' ');
};
const idle = session(1, { application: 'reconcile', state: 'idle in transaction', running_s: 150, transaction_s: 158 });

test('who is blocked comes first, with who holds them up and for how long', () => {
  const all = [idle, session(2, { blocked_by: [1], running_s: 111 }), session(3, { blocked_by: [2], running_s: 92 })];
  expect(said(all)).toBe('bad: 2 sessions wait for one: reconcile, idle in transaction for 2 min 38 s');
  expect(blocking(all).map((n) => [n.session.id, n.depth, n.holds])).toEqual([
    [1, 0, 2],
    [2, 1, 1],
    [3, 2, 0],
  ]);
  expect(said([idle, session(2, { blocked_by: [1], running_s: 2 })]), 'a short wait is not a failure yet').toMatch(
    /^warn: 1 session waits/,
  );
});

test('the root with the most below it comes first, and a circle ends', () => {
  const roots = [idle, session(2, { blocked_by: [1] }), session(5), session(6, { blocked_by: [5] }), session(7, { blocked_by: [5] })];
  expect(blocking(roots).map((n) => n.session.id)).toEqual([5, 6, 7, 1, 2]);
  const circle = [session(1, { blocked_by: [2] }), session(2, { blocked_by: [1] })];
  expect(blocking(circle).map((n) => n.session.id)).toEqual([1, 2]);
  expect(blocking([session(2, { blocked_by: [99] })]), 'a blocker that is not listed is no root').toEqual([]);
});

test('hidden is not none, and what runs is counted', () => {
  expect(said([], 3)).toBe('warn: 3 sessions hide their statement from this user');
  expect(said([], null)).toBe('warn: Other sessions may be hidden from this user');
  expect(said([])).toBe('ok: No statement runs at the moment');
  expect(said([idle])).toBe('ok: No statement runs now; the longest open transaction is reconcile, for 2 min 38 s');
  expect(said([session(1, { running_s: 12 }), session(2)])).toBe('ok: 2 statements run, the longest for 12 s');
});

test('a session is ended as its product takes it', () => {
  expect(ending(7, 'PostgreSQL 17.2')).toBe('SELECT pg_terminate_backend(7);');
  expect(ending(7, 'MariaDB 11.8')).toBe('KILL 7;');
});

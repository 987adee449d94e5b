// Sessions as the engine tells them, for the tests of their screen.
import type { BlockingAction, BlockingRow, DatabaseActivity, DatabaseSession } from '../../../backend/types';

export const session = (pid: number, of: Partial<DatabaseSession> = {}): DatabaseSession => ({
  pid,
  object: `${pid}@1`,
  started_ms: 1,
  user: 'reader',
  database: 'app',
  application: 'web',
  client: '10.0.0.5',
  state: 'active',
  wait_class: 'cpu',
  wait: null,
  age_s: 12,
  statement_s: 12,
  transaction_s: null,
  xids: null,
  wrote: null,
  rows_written: null,
  rows_locked: null,
  blocked_by: [],
  blocked_by_more: 0,
  waits_s: null,
  waits_for: null,
  holds_up: 0,
  statement: 'select * from orders where id = $1',
  ended: false,
  ...of,
});
/** One that is idle within a transaction. */
export const open = (pid: number, of: Partial<DatabaseSession> = {}): DatabaseSession =>
  session(pid, { state: 'idle in transaction', wait_class: 'idle', transaction_s: 258, age_s: 158, ended: true, wrote: true, ...of });
/** One that waits for others. */
export const waiter = (pid: number, holders: number[], of: Partial<DatabaseSession> = {}): DatabaseSession =>
  session(pid, {
    wait_class: 'lock',
    wait: 'Lock: transactionid',
    blocked_by: holders,
    waits_s: 111,
    waits_for: 'a row of public.payments',
    ...of,
  });

export const branch = (pid: number, depth: number, of: Partial<BlockingRow> = {}): BlockingRow => ({
  pid,
  gid: null,
  name: 'web',
  depth,
  deadlock: false,
  again: false,
  holds_up: 0,
  frees: 0,
  longest_s: null,
  waits_for: depth > 0 ? 'a row of public.payments' : null,
  waits_s: depth > 0 ? 111 : null,
  also: [],
  ...of,
});
export const action = (of: Partial<BlockingAction> = {}): BlockingAction => ({
  kind: 'terminate_session',
  object: '7@1',
  pid: 7,
  label: 'Terminate 7',
  frees: 1,
  costs: 'what it wrote is rolled back, its client loses the connection',
  possible: true,
  statement: null,
  ...of,
});

export const nobody: DatabaseActivity['blocking'] = {
  roots: 0,
  waiting: 0,
  unknown: 0,
  reveal: null,
  longest_s: null,
  rows: [],
  left_out: 0,
  actions: [],
};

/** A reading. */
export const activity = (of: Partial<DatabaseActivity> = {}): DatabaseActivity => ({
  at_ms: 1_790_000_000_000,
  kept_from_ms: null,
  sessions: [],
  left_out: 0,
  prepared: [],
  blocking: nobody,
  maintenance: [],
  hidden: 0,
  grant: null,
  ...of,
});

/** One session that holds up another, with what ends it. */
export const blocked = (): DatabaseActivity =>
  activity({
    sessions: [open(7, { application: 'reconcile', holds_up: 1 }), waiter(8, [7], { application: 'api' })],
    blocking: {
      ...nobody,
      roots: 1,
      waiting: 1,
      longest_s: 111,
      rows: [branch(7, 0, { name: 'reconcile', holds_up: 1, frees: 1, longest_s: 111 }), branch(8, 1, { name: 'api' })],
      actions: [
        action(),
        action({ kind: 'cancel_statement', label: 'Cancel 7', frees: null, possible: false, costs: 'idle: no statement to cancel' }),
      ],
    },
  });

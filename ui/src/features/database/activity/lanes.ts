// The lanes of the page: waits, the oldest transaction and the pool, on the clock that the sessions are scrubbed by.
import type { LaneSpec } from '../../../charts/lane';

/** Age in seconds from which an open transaction is a finding (database/src/activity/findings.rs). */
export const LONG_TRANSACTION_S = 300;

const OLDEST = 'database.transaction.oldest';
const WAITING = 'database.pool.waiting';
const inUse = (application: string): string => `database.pool.sessions{application=${application},state=in_use}`;

const oldest: LaneSpec = {
  key: 'oldest',
  title: 'Oldest',
  what: 'transaction, age',
  unit: 'seconds',
  kind: 'line',
  height: 40,
  series: [{ id: OLDEST, label: 'oldest', colour: 'ink' }],
  scale: { kind: 'zero', atLeast: 60 },
  threshold: { value: LONG_TRANSACTION_S, label: 'a finding from 5 min', at: 'plot' },
};

/** The sessions of one application, and the clients that wait before a pooler. Its size is known to the application alone. */
const pool = (application: string | null, waits: boolean): LaneSpec => ({
  key: 'pool',
  title: 'Pool',
  what: application ?? 'PgBouncer',
  unit: 'count',
  kind: 'stack',
  height: 48,
  series: [
    ...(application === null
      ? []
      : ([
          { id: inUse(application), label: 'in use', colour: 'c1' },
          { id: `database.pool.sessions{application=${application},state=idle}`, label: 'idle', colour: 'c-other' },
        ] as const)),
    ...(waits ? ([{ id: WAITING, label: 'waiting', colour: 'bad' }] as const) : []),
  ],
  scale: { kind: 'zero', atLeast: 4 },
});

/**
 * Those of `all` lanes of the database that the page begins with, with what only it shows, and the others. `applications` are
 * those that may have a pool, the largest first; `has` tells whether a series exists.
 */
export function lanesOf(
  all: readonly LaneSpec[],
  has: (id: string) => boolean,
  applications: readonly string[],
): { first: LaneSpec[]; more: LaneSpec[] } {
  const chosen = all.some((lane) => lane.key === 'waits') ? 'waits' : 'connections';
  const application = applications.find((name) => has(inUse(name))) ?? null;
  const waits = has(WAITING);
  const own = [...(has(OLDEST) ? [oldest] : []), ...(application !== null || waits ? [pool(application, waits)] : [])];
  // A database that tells nothing of its sessions has the lanes that it has.
  if (own.length === 0) return { first: [...all], more: [] };
  const first = all.filter((lane) => lane.key === chosen);
  return { first: [...first, ...own], more: all.filter((lane) => lane.key !== chosen) };
}

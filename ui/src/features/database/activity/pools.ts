// Pools as the sessions of a reading show them: an application at an address, now or at the cursor.
import type { DatabaseActivity, DatabaseSession } from '../../../backend/types';
import { DASH, integer } from '../../../kit/figures';
import type { Cell, Figure, Run } from '../pool/pool';
import { isIdle, isResting, waits } from './activity';

export interface SessionPool {
  key: string;
  name: string;
  address: string | null;
  sessions: DatabaseSession[];
}

/** The pools of a reading, that with the most sessions first. A session without a name is in none. */
export function poolsOf(activity: DatabaseActivity): SessionPool[] {
  const all = new Map<string, SessionPool>();
  for (const s of activity.sessions) {
    if (s.application === null || s.application === '') continue;
    const key = `${s.application}\n${s.client ?? ''}`;
    const pool = all.get(key) ?? { key, name: s.application, address: s.client, sessions: [] };
    pool.sessions.push(s);
    all.set(key, pool);
  }
  return [...all.values()].sort((a, b) => b.sessions.length - a.sessions.length || a.key.localeCompare(b.key));
}

/** The names of applications, those with the most sessions first. */
export function applicationsOf(activity: DatabaseActivity): string[] {
  const counts = new Map<string, number>();
  for (const { name, sessions } of poolsOf(activity)) counts.set(name, (counts.get(name) ?? 0) + sessions.length);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([name]) => name);
}

const cellOf = (s: DatabaseSession): Cell => (waits(s) ? 'lock' : isResting(s) ? 'idle' : isIdle(s) ? 'held' : 'active');
const WORDS = [
  ['lock', 'lock wait'],
  ['active', 'active'],
  ['held', 'idle in tx'],
  ['idle', 'idle'],
] as const;

/** A pool's sessions as cells, those that matter first, and as the figures that are their legend. */
export function shownOf(pool: SessionPool): { runs: Run[]; figures: Figure[]; used: number } {
  const counts = WORDS.map(([cell, name]) => ({ cell, name, count: pool.sessions.filter((s) => cellOf(s) === cell).length }));
  return {
    runs: counts.filter((c) => c.count > 0).map(({ cell, count }) => ({ cell, count })),
    figures: [
      ...counts.map(({ cell, name, count }) => ({ cell, name, value: integer(count) })),
      { name: 'waiting', value: DASH, about: 'How many callers wait for a connection is known to the application alone, or to its pooler' },
      { name: 'size', value: DASH, about: 'Known to the application alone' },
    ],
    used: pool.sessions.filter((s) => !isResting(s)).length,
  };
}

// What pools and health say in words: the sentence of the page, the cells of a pool, the legends of its figures.
import type { ApplicationPool, TargetHealth, DatabasePools, OwnPool, SessionStates } from '../../../backend/types';
import { DASH, format, integer, orDash, plural, seconds } from '../../../kit/figures';
import { of, checks, named } from '../../../kit/health/health';
import type { Said } from '../said';

/** What a session or a place of a pool is drawn as. */
export type Cell = 'lock' | 'active' | 'held' | 'idle' | 'unknown' | 'free';

/** Cells that are drawn one by one; more are drawn by their share. */
export const MOST_CELLS = 60;

export interface Run {
  cell: Cell;
  count: number;
}

const runs = (...all: [Cell, number][]): Run[] => all.filter(([, n]) => n > 0).map(([cell, count]) => ({ cell, count }));

/** The sessions of an application by what they do, those that matter first. */
export const cellsOf = (s: SessionStates): Run[] =>
  runs(['lock', s.lock_wait], ['active', s.active], ['held', s.idle_in_transaction], ['idle', s.idle], ['unknown', s.unknown]);

/** The places of a pool: in use, idle, and those that nothing is open for. */
export const placesOf = ({ in_use, idle, open, size, max_overflow }: OwnPool): Run[] =>
  runs(['active', in_use], ['idle', idle], ['free', Math.max(0, size + max_overflow - open)]);

export const inUse = (s: SessionStates): number => s.lock_wait + s.active + s.idle_in_transaction;
const total = (pools: readonly ApplicationPool[], of: (p: ApplicationPool) => number): number => pools.reduce((sum, p) => sum + of(p), 0);

/** What an application calls itself; one without a name has its user's. */
export const nameOf = (p: ApplicationPool): string =>
  p.application ?? (p.users.length > 0 ? `${p.users.join(', ')} (no application name)` : 'no application name');
/** Tells two of them apart. */
export const keyOf = (p: ApplicationPool): string => `${p.application ?? ''}\n${p.address ?? ''}`;

/** Clients that wait at the pooler, and the longest wait in seconds. */
export function waitingOf(pools: DatabasePools): { clients: number; longestS: number } | null {
  if (!pools.pooler) return null;
  const all = pools.pooler.pools;
  return {
    clients: all.reduce((sum, p) => sum + p.clients_waiting, 0),
    longestS: Math.max(0, ...all.map((p) => p.longest_wait_s)),
  };
}

function support(pools: DatabasePools | null, health: TargetHealth | null): string {
  const parts: string[] = [];
  const limits = pools?.limits;
  if (limits) {
    const reserved = limits.reserved > 0 ? `, ${integer(limits.reserved)} reserved` : '';
    parts.push(`${limits.used === null ? DASH : integer(limits.used)} of ${integer(limits.max)} connections in use${reserved}`);
  }
  const latency = health?.checks.find((c) => c.id === 'latency')?.value;
  if (latency !== undefined && latency !== null) parts.push(`a round trip takes ${seconds(latency)}`);
  if (health?.version) parts.push(health.version);
  return parts.join(' · ');
}

/** The sentence of the page: what fails first, then who waits, then what there is. */
export function verdict(pools: DatabasePools | null, health: TargetHealth | null): Required<Said> | null {
  if (!pools && !health) return null;
  const rest = support(pools, health);
  const say = (tone: Required<Said>['tone'], strong: string, after: string): Required<Said> => ({
    tone,
    strong,
    rest: after,
    support: rest,
  });
  const failing = of(health, 'failing');
  if (failing.length > 0) return say('bad', `${checks(failing.length)} ${failing.length === 1 ? 'fails' : 'fail'}:`, named(failing));
  const waiting = pools && waitingOf(pools);
  if (waiting && waiting.clients > 0) {
    const strong = waiting.clients === 1 ? '1 client waits' : `${integer(waiting.clients)} clients wait`;
    return say('bad', strong, `for a connection of the pooler, the first for ${seconds(waiting.longestS)}`);
  }
  const warnings = of(health, 'warning');
  if (warnings.length > 0)
    return say('warn', `${checks(warnings.length)} ${warnings.length === 1 ? 'needs' : 'need'} attention:`, named(warnings));
  const missed = (health?.checks ?? []).filter((c) => c.missed);
  if (missed.length > 0) return say('unknown', `${checks(missed.length)} could not be made:`, named(missed));
  const own = (pools?.own ?? []).reduce((sum, p) => sum + p.in_use, 0);
  if (pools && pools.applications.length > 0) {
    const sessions = total(pools.applications, (p) => p.sessions);
    const busy = total(pools.applications, (p) => inUse(p.states));
    const hidden = total(pools.applications, (p) => p.states.unknown);
    const apps = plural(pools.applications.length, 'pool');
    const what =
      hidden > 0
        ? `${integer(hidden)} of them ${hidden === 1 ? 'does' : 'do'} not show what ${hidden === 1 ? 'it does' : 'they do'}`
        : `${integer(busy)} in use`;
    return say(hidden > 0 ? 'unknown' : 'ok', `${plural(sessions, 'session')} in ${apps},`, what);
  }
  if (pools && pools.own.length > 0) return say('ok', `${plural(own, 'connection')} in use`, "in Perfdeck's own pools");
  if (pools && pools.hidden !== 0) return say('unknown', 'No application is seen', 'sessions of others hide their state');
  if (pools && !pools.note) return say('ok', 'No application is connected', 'at the moment');
  return say('ok', 'Nothing needs attention', '');
}

/** A figure of a pool: its name, its value, and the cell that it is the legend of. */
export interface Figure {
  name: string;
  value: string;
  cell?: Cell;
  /** What it means, where its name does not say it. */
  about?: string;
}

const ms = (n: number | null): string => format(n, 'ms');
const rate = (n: number): string => `${format(n, 'count')}/min`;

/** Figures of an application's pool. Who waits in it is known to the application alone. */
export function figuresOf(p: ApplicationPool, unknown: string | null): Figure[] {
  const s = p.states;
  const hidden: Figure[] =
    s.unknown > 0 ? [{ name: 'hidden', value: integer(s.unknown), cell: 'unknown', about: 'This user may not see what they do' }] : [];
  return [
    { name: 'lock wait', value: integer(s.lock_wait), cell: 'lock' },
    { name: 'active', value: integer(s.active), cell: 'active' },
    { name: 'idle in tx', value: integer(s.idle_in_transaction), cell: 'held' },
    { name: 'idle', value: integer(s.idle), cell: 'idle' },
    ...hidden,
    { name: 'waiting', value: DASH, about: unknown ?? 'The pooler tells it for all applications together, below' },
    { name: 'size', value: DASH, about: 'Known to the application alone' },
    { name: 'oldest', value: orDash(p.oldest_s, seconds), about: 'Age of the oldest session' },
    { name: 'idle for', value: orDash(p.longest_idle_s, seconds), about: 'Longest time that one of them is idle' },
    { name: 'in tx for', value: orDash(p.longest_idle_in_transaction_s, seconds), about: 'Longest idle in a transaction' },
    { name: 'begun', value: p.churn ? rate(p.churn.begun_per_min) : DASH, about: churned(p) },
    { name: 'ended', value: p.churn ? rate(p.churn.ended_per_min) : DASH, about: churned(p) },
    {
      name: 'last minute',
      value: orDash(p.begun_last_minute, integer),
      about: 'Sessions that began within the last minute and are still there',
    },
  ];
}

const churned = (p: ApplicationPool): string =>
  p.churn
    ? `Seen over ${seconds(p.churn.over_s)}; at least: one that came and went between two looks is not counted`
    : 'Told from 10 s of looking on';

const REASONS = [
  ['age', 'too old at a check-out'],
  ['dead', 'dead at a check-out'],
  ['beyond_size', 'beyond the size at their return'],
  ['lost', 'dead at their return, or given up'],
  ['with_pool', 'with the pool'],
] as const;

/** Figures of a pool of Perfdeck's own. */
export function figuresOfOwn(p: OwnPool): Figure[] {
  const closed = REASONS.reduce((sum, [key]) => sum + p.closed[key], 0);
  const why = REASONS.filter(([key]) => p.closed[key] > 0).map(([key, words]) => `${integer(p.closed[key])} ${words}`);
  return [
    { name: 'in use', value: integer(p.in_use), cell: 'active' },
    { name: 'idle', value: integer(p.idle), cell: 'idle' },
    { name: 'waiting', value: integer(p.waiting) },
    { name: 'check-outs', value: integer(p.acquired) },
    { name: 'had to wait', value: integer(p.waited) },
    { name: 'time-outs', value: integer(p.timeouts), about: `Waits of more than ${seconds(p.timeout_s)}` },
    { name: 'wait p50', value: ms(p.wait.p50_ms) },
    { name: 'wait p99', value: ms(p.wait.p99_ms) },
    { name: 'wait max', value: ms(p.wait.max_ms) },
    { name: 'hold p50', value: ms(p.hold.p50_ms) },
    { name: 'hold p99', value: ms(p.hold.p99_ms) },
    { name: 'hold max', value: ms(p.hold.max_ms) },
    { name: 'opened', value: integer(p.created) },
    { name: 'closed', value: integer(closed), about: why.join(', ') || 'None was closed' },
    { name: 'recycled at', value: seconds(p.recycle_s), about: 'Age at which a connection is replaced at its next check-out' },
  ];
}

// Where what a finding leads to is shown, where the finding itself is, and what is said of its time.
import type { Finding, FindingTarget, TargetRole, TargetStatus } from '../backend/types';
import { pathOf } from './address';
import { benchmarkPath } from './benchmark';
import { duration } from './figures';
import { ageS } from './format';

/** The route of what a step of a finding opens. */
export function routeOf(opens: FindingTarget): string {
  switch (opens.what) {
    case 'overview':
      return '/overview';
    case 'environment':
      return '/environments';
    case 'database':
      return '/database';
    case 'database_health':
      return '/database/pool';
    case 'database_advice':
      return '/database/advice';
    case 'cache':
      return '/cache';
    case 'gateway':
      return '/gateway';
    case 'settings':
      return '/settings';
    case 'session':
      return `/database?session=${opens.pid}`;
    case 'change':
      return `/changes?plan=${encodeURIComponent(opens.kind)}&object=${encodeURIComponent(opens.object)}`;
    case 'route':
      return benchmarkPath({ kind: 'http', path: opens.path, ...(opens.method === 'GET' ? {} : { method: opens.method }) });
    case 'statement':
      return benchmarkPath({ kind: 'sql', statement: opens.sql });
    case 'keys':
      return benchmarkPath({ kind: 'cache', pattern: opens.pattern });
  }
}

/** The screen of a target; what has none of its own is on the overview. */
const SCREENS: Readonly<Partial<Record<TargetRole, string>>> = { database: '/database', cache: '/cache' };
/** Parts of an environment that list what is found in them. */
const LISTING: ReadonlySet<FindingTarget['what']> = new Set(['overview', 'database', 'session', 'cache', 'gateway', 'settings']);

/** The path of the screen that lists a finding: that of the part it is about, or of its target. */
export const placeOf = (finding: Pick<Finding, 'action' | 'target'>): string =>
  LISTING.has(finding.action.opens.what) ? pathOf(routeOf(finding.action.opens)) : (SCREENS[finding.target] ?? '/overview');

/** Kinds that say what is broken at this moment; the engine puts them first (`Finding::is_of_state`). */
const OF_STATE: ReadonlySet<string> = new Set([
  'samples_not_stored',
  'target_down',
  'api_failing',
  'session_blocked',
  'idle_in_transaction',
  'long_transaction',
  'sessions_hidden',
  'database_unhealthy',
]);
export const isOfState = (finding: Pick<Finding, 'kind'>): boolean => OF_STATE.has(finding.kind);

/** Seconds since the first sample of an environment's targets; null before there is one. */
export function observedS(targets: readonly Pick<TargetStatus, 'first_sample_ms'>[], nowMs: number): number | null {
  const first = targets.flatMap((t) => t.first_sample_ms ?? []);
  return first.length === 0 ? null : ageS(Math.min(...first), nowMs);
}

/** A time that goes on, no finer than it matters, so that it does not move every second: `38 s`, `33 min`, `5 h`. */
export function span(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 119.5) return duration(s < 59.5 ? s : Math.floor(s / 10) * 10);
  return s < 7200 ? duration(Math.floor(s / 60) * 60) : duration(Math.floor(s / 3600) * 3600);
}

/** `for 33 min`: how long a state has lasted. */
export const lasting = (sinceMs: number, nowMs: number): string => `for ${span(ageS(sinceMs, nowMs))}`;

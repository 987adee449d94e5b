// An invalidation in words: what it would take, how it is undone, and what became of it.
import type { Invalidation, InvalidationPreview, MapCount, RestoredKeys, StoredKnee, TakenKeys } from '../../../backend/types';
import { bytes, DASH, format, integer, plural, rate, THIN, whole } from '../../../kit/figures';

export function keysWord(count: MapCount): string {
  if (count.kind === 'exact') return plural(count.value, 'key');
  if (count.kind === 'at_least') return `≥${THIN}${plural(count.value, 'key')}`;
  return `${integer(count.value)} ±${THIN}${integer(Math.max(count.high - count.value, count.value - count.low))} keys`;
}

const UNDO: Record<InvalidationPreview['undo'], string> = {
  file: 'kept for 24 h, encrypted',
  this_run: 'for as long as this Perfdeck runs: there is nowhere to keep a key',
  memory: 'in memory, for as long as this Perfdeck runs',
  epoch: 'puts the old epoch back',
  not: 'not possible: it was asked for without',
};

/** Memory of what was looked at, for all that match where only a part was looked at. */
function frees(preview: InvalidationPreview): string {
  if (preview.looked_at === 0) return DASH;
  const count = preview.matched.value;
  const all = (preview.bytes / preview.looked_at) * count;
  return preview.looked_at >= count
    ? bytes(preview.bytes)
    : `about ${bytes(all)}, by ${plural(preview.looked_at, 'key')} that were looked at`;
}

/** The bounds of the load that the source sees. */
const boundsOf = (preview: InvalidationPreview): string =>
  preview.extra_loads_bounds ? `, ${rate(preview.extra_loads_bounds[0])} to ${rate(preview.extra_loads_bounds[1])}/s` : '';

const readers = (preview: InvalidationPreview): string =>
  preview.readers === null
    ? `${DASH}, this user may not see who is connected, or they are too many`
    : preview.readers.length === 0
      ? 'none is connected'
      : preview.readers.map((r) => (r.connections > 1 ? `${r.name} ×${integer(r.connections)}` : r.name)).join(', ');

/** Name and figure of what it would do, before it is done. */
export function rowsOf(preview: InvalidationPreview, soft: boolean): [string, string][] {
  return [
    ['Matches', `${keysWord(preview.matched)}${preview.share === null ? '' : `, ${format(preview.share, 'ratio')} of the database`}`],
    ['Frees', frees(preview)],
    ['Connected', readers(preview)],
    [
      'Takes',
      preview.time_s === null ? DASH : `${preview.time_s < 1 ? '' : 'about '}${whole(preview.time_s)}, then a second scan verifies`,
    ],
    ['Undo', soft ? `sets the old expiry back while a key is there; ${UNDO[preview.undo]}` : UNDO[preview.undo]],
  ];
}

/** What the source of the cache has to load then, in words. */
export function loadSaid(preview: InvalidationPreview): string {
  const more = preview.extra_loads_per_s;
  if (more === null) return `${DASH}, the server does not tell when keys were used, or too few were looked at`;
  if (more === 0) return `none more: of ${plural(preview.looked_at, 'key')} that were looked at none was read while they were watched`;
  const over = `in the first ${whole(preview.extra_loads_over_s)}`;
  if (more < 1) return `less than 1/s more ${over}${boundsOf(preview)}`;
  return `about ${rate(more)}/s more ${over}${boundsOf(preview)}`;
}

/** Seconds over which keys that are deleted are loaded again, and over which others are let expire unless it is said. */
const [AT_ONCE, USUAL] = [10, 30];

/** Loads more by time: a rate for so many seconds. */
export interface Spread {
  soft: boolean;
  per_s: number;
  over_s: number;
}

/** What is planned, and what the other way would do: the same keys are loaded, at once or spread. Null where there is nothing to draw. */
export function spreads(preview: InvalidationPreview, soft: boolean): [Spread, Spread] | null {
  const { extra_loads_per_s: more, extra_loads_over_s: over } = preview;
  if (more === null || more <= 0) return null;
  const other = soft ? AT_ONCE : USUAL;
  return [
    { soft, per_s: more, over_s: over },
    { soft: !soft, per_s: (more * over) / other, over_s: other },
  ];
}

/** Requests and statements that are answered from the source; commands of the cache itself are none of its load. */
const OF_HTTP = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) https?:/;
const OF_SQL = /\b(select|insert|update|delete|with|call|execute)\b/i;

/** The newest knee that was measured of what the cache is filled from: of its database before that of its API; null where none was. */
export function kneeOf(knees: readonly StoredKnee[]): (StoredKnee & { rate_per_s: number }) | null {
  const found = knees.filter((k): k is StoredKnee & { rate_per_s: number } => k.state === 'found' && k.rate_per_s !== null);
  const newest = (of: typeof found): (typeof found)[number] | null =>
    of.reduce<(typeof found)[number] | null>((last, k) => (last === null || k.created_ms > last.created_ms ? k : last), null);
  return newest(found.filter((k) => !OF_HTTP.test(k.name) && OF_SQL.test(k.name))) ?? newest(found.filter((k) => OF_HTTP.test(k.name)));
}

/** Whether keys are let expire rather than removed, by what runs on each. */
export const isSoft = (of: Invalidation): boolean => of.detail.change.statement.includes('PEXPIRE');

/** Keys by when they would have expired, in the order of time. */
export const ttlRows = (preview: InvalidationPreview): [string, number][] => [
  ['≤ 1 min', preview.ttl.minute],
  ['≤ 1 h', preview.ttl.hour],
  ['≤ 1 d', preview.ttl.day],
  ['later', preview.ttl.later],
  ['never', preview.ttl.never],
];

function parts(of: readonly [number | null, string][]): string {
  return of.flatMap(([n, words]) => (n === null || n === 0 ? [] : [`${integer(n)} ${words}`])).join(', ');
}

export function takenWords(taken: TakenKeys, soft: boolean): string {
  const failed = taken.failed.reduce((sum, node) => sum + node.keys, 0);
  const rest = parts([
    [taken.gone, 'were gone before'],
    [taken.changed, 'left because somebody wrote them meanwhile'],
    [taken.oversized_left, 'left because they are too large'],
    [taken.oversized_removed, 'too large to be kept, removed'],
    [taken.sooner, 'expire sooner anyway'],
    [failed, 'refused'],
    [taken.survivors, 'match still'],
    [taken.recreated, 'written anew since'],
  ]);
  const did = `${plural(taken.removed, 'key')} ${soft ? 'set to expire' : 'removed'} of ${integer(taken.matched)} in ${whole(taken.seconds)}`;
  return rest === '' ? `${did}.` : `${did}; ${rest}.`;
}

export function restoredWords(restored: RestoredKeys): string {
  const failed = restored.failed.reduce((sum, node) => sum + node.keys, 0);
  const rest = parts([
    [restored.there, 'were there as they had been'],
    [restored.recreated, 'written anew meanwhile and left'],
    [restored.expired, 'would have expired by now'],
    [restored.lost, 'gone, and nothing of them was kept'],
    [failed, 'refused'],
  ]);
  const did = `${plural(restored.restored, 'key')} restored of ${integer(restored.kept)} in ${whole(restored.seconds)}`;
  return rest === '' ? `${did}.` : `${did}; ${rest}.`;
}

/** What servers refused, a line each. */
export const refusals = (of: Invalidation): string[] =>
  [...(of.taken?.failed ?? []), ...(of.restored?.failed ?? [])].map((f) => `${f.node}: ${plural(f.keys, 'key')}: ${f.why}`);

// Keys of a cache in words: the search that an address asks for, the list, its answer in a sentence, its exports.
import type { CacheKey, CacheTtl, KeySearch, KeyUse } from '../../../backend/types';
import { share } from '../../../kit/format';
import { bytes, DASH, duration, integer, lasted, rate, THIN } from '../../../kit/figures';
import type { Column } from '../../../kit/list';
import type { Said } from '../said';
import { copied, literal, patternBytes, shown } from './names';
import { MOST, type Asked, type Row, type Search } from './search.svelte';

/** Types that every server has, and what each is called where there is little room. */
export const KINDS = ['string', 'hash', 'list', 'set', 'zset', 'stream'] as const;

/** Times to live that are asked for: never, or less than so many seconds. */
export const TTLS: readonly (readonly [value: string, label: string])[] = [
  ['', 'any'],
  ['never', 'never'],
  ['60', `<${THIN}1${THIN}min`],
  ['3600', `<${THIN}1${THIN}h`],
  ['86400', `<${THIN}1${THIN}day`],
  ['604800', `<${THIN}7${THIN}days`],
];
/** Sizes that are asked for: at least so many bytes. */
export const SIZES: readonly (readonly [value: string, label: string])[] = [
  ['', 'any'],
  ['1024', `≥${THIN}1${THIN}KiB`],
  ['10240', `≥${THIN}10${THIN}KiB`],
  ['102400', `≥${THIN}100${THIN}KiB`],
  ['1048576', `≥${THIN}1${THIN}MiB`],
  ['10485760', `≥${THIN}10${THIN}MiB`],
];

/** What is chosen above the list, as it stands in the address. */
export interface Filters {
  /** As it is typed; empty is every key. */
  pattern: string;
  kind: string | null;
  ttl: string | null;
  /** Least bytes. */
  least: string | null;
}

export function askedBy(environment: string, { pattern, kind, ttl, least }: Filters): Asked {
  const typed = pattern === '' || pattern === '*' ? null : pattern;
  const seconds = Number(ttl);
  const min = Number(least);
  const search: KeySearch = {
    pattern: typed === null ? null : patternBytes(typed),
    kind,
    ttl: ttl === 'never' ? 'never' : seconds > 0 ? { within: { from_ms: null, to_ms: seconds * 1000 } } : null,
    min_bytes: min > 0 ? min : null,
    max_bytes: null,
  };
  return { environment, search, exact: typed === null ? null : literal(typed) };
}

/** Whether something besides the name is asked for. */
export const filtered = ({ kind, ttl, least }: Filters): boolean => kind !== null || ttl !== null || least !== null;

export const ttlWord = (ttl: CacheTtl): string =>
  ttl === 'never' ? 'never' : ttl === 'unknown' ? DASH : ttl.in_ms < 1000 ? lasted(ttl.in_ms / 1000) : duration(ttl.in_ms / 1000);

/** What is left of a time to live that was read a while ago. */
export const leftOf = (ttl: CacheTtl, readMs: number, nowMs: number): CacheTtl =>
  typeof ttl === 'string' ? ttl : { in_ms: Math.max(0, ttl.in_ms - Math.max(0, nowMs - readMs)) };

export const COLUMNS: readonly Column<Row>[] = [
  { key: 'key', label: 'key', text: (r) => shown(r.name), sort: (r) => shown(r.name), mono: true, least: 150 },
  { key: 'type', label: 'type', text: (r) => r.kind ?? DASH, sort: (r) => r.kind, width: 66, plain: true },
  {
    key: 'ttl',
    label: 'TTL',
    text: (r) => ttlWord(r.ttl),
    // What never expires stands beyond every time.
    sort: (r) => (r.ttl === 'never' ? Number.MAX_VALUE : r.ttl === 'unknown' ? null : r.ttl.in_ms),
    numeric: true,
    width: 92,
    plain: true,
  },
  {
    key: 'size',
    label: 'size',
    text: (r) => (r.bytes === null ? DASH : bytes(r.bytes)),
    sort: (r) => r.bytes,
    numeric: true,
    width: 76,
    plain: true,
  },
];

type State = Pick<
  Search,
  'rows' | 'running' | 'complete' | 'progress' | 'all' | 'looked' | 'failure' | 'full' | 'spentMs' | 'missing' | 'asked'
>;

const LARGE = 1e6;
const many = (n: number): string => (n >= LARGE ? rate(n) : integer(n));
const keys = (n: number): string => `${many(n)} key${n === 1 ? '' : 's'}`;

/** The answer in a sentence. What can still grow is a lower bound. */
export function verdict(of: State, asks: boolean): Said | null {
  const found = of.rows?.length ?? null;
  if (found === null) return null;
  if (of.asked?.exact) {
    if (found > 0) return { strong: 'One key', rest: 'has exactly this name' };
    return { strong: 'No such key', rest: asks ? 'of this name, type, expiry and size' : 'has exactly this name' };
  }
  const lacks = of.missing.some((m) => m.keys === null) ? ', except on servers that could not be asked' : '';
  if (of.complete && of.all === 0) return { strong: 'No key at all', rest: `is in this database${lacks}` };
  const match = `${found === 1 ? 'matches' : 'match'}`;
  const all = of.all === null ? 'all keys' : of.all === 1 ? 'the only key' : `all ${keys(of.all)}`;
  if (of.complete) {
    const rest = asks || of.asked?.search.pattern ? `${match}; ${all} ${of.all === 1 ? 'was' : 'were'} looked through` : 'were listed';
    return { strong: found === 0 ? 'No key' : keys(found), rest: found === 0 ? rest.replace(/^match/, 'matches') + lacks : rest + lacks };
  }
  if (found > 0 && !asks && !of.asked?.search.pattern) {
    return {
      strong: keys(found),
      rest: `listed${of.all === null ? ', and more are there' : ` of ${keys(of.all)}`}${of.running ? ' so far' : '; the rest was not looked through'}`,
    };
  }
  const part = of.progress === null ? 'so far' : `in ${share(of.progress)} of ${of.all === null ? 'the keys' : keys(of.all)}`;
  return { strong: found === 0 ? 'No key yet' : `At least ${keys(found)}`, rest: `${found === 0 ? 'matches' : match} ${part}` };
}

/** How far a search is. */
export function progressWords(of: State): string {
  const through =
    of.looked === null
      ? 'how many were looked through is not known'
      : `${of.complete ? '' : 'about '}${many(of.looked)} of ${keys(of.all ?? 0)} looked through`;
  if (of.complete) return of.asked?.exact ? 'asked for by its name' : `exact: ${through}`;
  return `${of.running ? '' : of.full ? `${integer(MOST)} are held, narrow the search for others; ` : 'stopped, not finished: '}${through}`;
}

/** Its speed, and how long it will take; empty where that is not known, or not worth it. */
export function paceWords({ looked, all, running, spentMs }: State): string {
  if (!running || spentMs < 2000 || !looked || all === null) return '';
  const speed = looked / (spentMs / 1000);
  return `${rate(speed)} keys/s, ${lasted(Math.max(1, (all - looked) / speed))} left`;
}

export const useWord = (used: KeyUse): readonly [string, string] =>
  used === 'unknown'
    ? ['last access', 'not told']
    : 'frequency' in used
      ? ['frequency', `${integer(used.frequency)} of 255, log counter`]
      : ['last access', `${lasted(used.idle_s)} ago`];

const LENGTHS: Readonly<Record<string, string>> = {
  string: 'length',
  hash: 'fields',
  list: 'elements',
  set: 'members',
  zset: 'members',
  stream: 'entries',
};
/** What is known of a key, its expiry apart. */
export const factsOf = (key: CacheKey): (readonly [string, string])[] => [
  ['memory', key.bytes === null ? DASH : bytes(key.bytes)],
  [LENGTHS[key.kind] ?? 'length', key.length === null ? DASH : key.kind === 'string' ? bytes(key.length) : integer(key.length)],
  ['encoding', key.encoding ?? 'not told'],
  useWord(key.used),
  ['server', key.node],
];

const cell = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const inMs = (ttl: CacheTtl): number | null => (typeof ttl === 'string' ? null : ttl.in_ms);

/** The list as CSV. A name that is no text is in Base64 beside it. */
export function csv(rows: readonly Row[]): string {
  const lines = rows.map((r) => [
    shown(r.name),
    'base64' in r.name ? r.name.base64 : '',
    r.kind ?? '',
    r.ttl === 'never' ? 'never' : String(inMs(r.ttl) ?? ''),
    String(r.bytes ?? ''),
  ]);
  return [['key', 'key_base64', 'type', 'ttl_ms', 'bytes'], ...lines].map((line) => line.map(cell).join(',')).join('\n') + '\n';
}

/** The list as JSON, with how much of the keys it is of. */
export const json = (rows: readonly Row[], of: State): string =>
  JSON.stringify(
    {
      search: of.asked?.search ?? null,
      complete: of.complete && of.missing.length === 0,
      looked_through: of.looked,
      database_keys: of.all,
      missing: of.missing,
      keys: rows.map(({ name, kind, ttl, bytes }) => ({ name, kind, ttl, bytes })),
    },
    null,
    2,
  );
/** Names, a line each, as they are copied. */
export const names = (rows: readonly Row[]): string => rows.map((r) => copied(r.name)).join('\n');

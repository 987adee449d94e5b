// The map of a cache in words and figures: how sure each is, the tiles of the treemap, the rows of the table.
import type { CacheBytes, CacheMap, CacheMapPage, MapCount, MapNamespace } from '../../../backend/types';
import type { Tile } from '../../../charts/treemap';
import { bytes, DASH, format, integer, lasted, plural, significant, THIN } from '../../../kit/figures';
import type { Column } from '../../../kit/list';

/** A figure, and in a column of its own how sure it is. */
export interface Sure {
  text: string;
  /** Half of the 95 % interval, larger side; null where it has none. */
  error: string | null;
}

type Word = (value: number) => string;

/** A count or an amount. What can still grow is a lower bound, and says so. */
export function sure(count: MapCount | null, word: Word = integer): Sure {
  if (count === null) return { text: DASH, error: null };
  if (count.kind === 'exact') return { text: word(count.value), error: null };
  if (count.kind === 'at_least') return { text: `≥${THIN}${word(count.value)}`, error: null };
  return { text: word(count.value), error: `±${THIN}${word(Math.max(count.high - count.value, count.value - count.low))}` };
}

/** The same in one text. */
export const sureText = (count: MapCount | null, word: Word = integer): string => {
  const { text, error } = sure(count, word);
  return error === null ? text : `${text} ${error}`;
};

/** A share in percent, one digit after the point. */
export const percent = (share: number): string => (share * 100).toFixed(1);

/** A name of a key as it is read; what is no text is told by its length. */
export function nameOf(key: CacheBytes): string {
  if ('text' in key) return key.text;
  const padding = key.base64.endsWith('==') ? 2 : key.base64.endsWith('=') ? 1 : 0;
  const length = (key.base64.length / 4) * 3 - padding;
  return `${plural(length, 'byte')} that ${length === 1 ? 'is' : 'are'} no text`;
}

/** A time to live. */
export const ttlWord = (seconds: number | null): string => (seconds === null ? DASH : lasted(seconds));

/** Ends of the scale that a median time to live is drawn on, in seconds: 1 s and 1 day. */
const TTL_ENDS = [1, 86_400] as const;
export const ttlHeat = (seconds: number): number => {
  const [low, high] = TTL_ENDS.map(Math.log) as [number, number];
  return Math.min(1, Math.max(0, (Math.log(Math.max(seconds, TTL_ENDS[0])) - low) / (high - low)));
};

/** Share of its keys that never expire; null where nobody asked. */
export function forever(of: MapNamespace): number | null {
  const keys = of.keys.value;
  return of.without_expiry === null || keys <= 0 ? null : Math.min(1, of.without_expiry.value / keys);
}

/** Share from which a namespace is drawn as one that never expires. */
const NEVER = 0.5;

/** What its area and its bar stand for: bytes, or keys where memory was not asked. */
export const weight = (of: { bytes: MapCount | number | null; keys: MapCount | number }, byBytes: boolean): number => {
  const it = byBytes ? of.bytes : of.keys;
  return it === null ? 0 : typeof it === 'number' ? it : it.value;
};

const amount = (of: MapNamespace): string => (of.bytes === null ? `${sureText(of.keys)} keys` : sureText(of.bytes, bytes));

function expiry(of: MapNamespace): string | null {
  const never = forever(of);
  if (never !== null && never >= 0.995) return 'no key expires';
  if (never !== null && never >= NEVER) return `${percent(never)}${THIN}% never expire`;
  return of.ttl?.median_s === null || of.ttl === null ? null : `median TTL ${ttlWord(of.ttl.median_s)}`;
}

function tileOf(of: MapNamespace, byBytes: boolean): Tile {
  const never = forever(of);
  const share = byBytes ? of.share_of_bytes : of.share_of_keys;
  const off = byBytes && of.share_of_bytes_error !== null ? ` ±${percent(of.share_of_bytes_error)}` : '';
  const size = share === null ? amount(of) : `${amount(of)}, ${percent(share)}${THIN}%${off}`;
  const second = expiry(of);
  return {
    id: of.path,
    name: of.name,
    lines: [size, ...(second === null ? [] : [second])],
    weight: weight(of, byBytes),
    heat: of.ttl?.median_s === null || of.ttl === null ? null : ttlHeat(of.ttl.median_s),
    warns: never !== null && never >= NEVER,
    opens: of.inside > 0,
    about: [of.name, `${sureText(of.keys)} keys`, of.bytes === null ? null : sureText(of.bytes, bytes), second].filter(Boolean).join(', '),
    children: of.parts.map((part, i) => ({
      id: `${of.path}\u0000${i}`,
      name: part.label,
      lines: [part.bytes === null ? plural(part.keys, 'key') : bytes(part.bytes)],
      weight: weight(part, byBytes),
      heat: null,
      warns: false,
      opens: false,
      about: part.label,
      children: [],
    })),
  };
}

/** Whether memory is known, so that areas stand for bytes. */
export const knowsBytes = (page: CacheMapPage): boolean => page.namespaces.some((n) => n.bytes !== null);

/** Identifier of the tile of what is not on the page. */
export const OTHERS = '\u0000others';

export function tilesOf(page: CacheMapPage): Tile[] {
  const byBytes = knowsBytes(page);
  const tiles = page.namespaces.map((n) => tileOf(n, byBytes));
  const rest = byBytes ? (page.left_out_bytes ?? 0) : page.left_out_keys;
  if (page.left_out === 0 || rest <= 0) return tiles;
  const words = byBytes ? bytes(rest) : plural(rest, 'key');
  const name = `${integer(page.left_out)} others`;
  return [
    ...tiles,
    { id: OTHERS, name, lines: [words], weight: rest, heat: null, warns: false, opens: false, about: `${name}, ${words}`, children: [] },
  ];
}

/** What a scan said so far, in a sentence of two parts. */
export function progressOf(map: CacheMap): { strong: string; rest: string } {
  const keys = map.all?.keys ?? null;
  const all = map.nodes.reduce<number | null>((sum, node) => (sum === null || node.keys === null ? null : sum + node.keys), 0);
  const read = integer(map.keys_read);
  switch (map.state) {
    case 'finished':
      return {
        strong: map.exact ? `${read} keys, all read` : `${sureText(keys)} keys, all read`,
        rest:
          map.detail === 'exact' || map.detail === 'names'
            ? ''
            : `Memory, types and expiry are of ${integer(map.sampled)} of them; ± is a 95${THIN}% interval.`,
      };
    case 'unfinished':
      return { strong: `Ended after ${read} keys`, rest: 'What was read stays; counts are lower bounds or estimates.' };
    default: {
      const part = map.progress === null ? '' : `${significant(map.progress * 100, map.progress < 0.1 ? 2 : 3)}${THIN}% of `;
      return {
        strong: `${map.state === 'paused' ? 'Paused at' : 'Scanned'} ${part === '' ? `${read} keys` : `${part}${all === null ? `the keys` : `${integer(all)} keys`}`}`,
        rest: map.random_sample
          ? `Figures are estimates until the scan ends; ± is a 95${THIN}% interval.`
          : 'What was read is no random sample: counts are lower bounds until the scan ends.',
      };
    }
  }
}

const byteWord: Word = (value) => bytes(value);

export const COLUMNS: readonly Column<MapNamespace>[] = [
  { key: 'name', label: 'namespace', text: (n) => n.name, sort: (n) => n.name, mono: true, grow: 2, least: 140 },
  { key: 'keys', label: 'keys', text: (n) => sureText(n.keys), sort: (n) => n.keys.value, numeric: true, width: 148 },
  {
    key: 'bytes',
    label: 'memory',
    text: (n) => sureText(n.bytes, byteWord),
    sort: (n) => n.bytes?.value ?? null,
    numeric: true,
    strong: true,
    width: 148,
  },
  {
    key: 'share',
    label: 'share',
    text: (n) =>
      n.share_of_bytes === null
        ? `${percent(n.share_of_keys)}${THIN}%`
        : `${percent(n.share_of_bytes)}${THIN}%${n.share_of_bytes_error === null ? '' : ` ±${percent(n.share_of_bytes_error)}`}`,
    sort: (n) => n.share_of_bytes ?? n.share_of_keys,
    numeric: true,
    width: 188,
  },
  {
    key: 'each',
    label: 'a key',
    text: (n) => (n.bytes_per_key === null ? DASH : bytes(n.bytes_per_key)),
    sort: (n) => n.bytes_per_key,
    numeric: true,
    width: 72,
  },
  {
    key: 'ttl',
    label: 'median TTL',
    text: (n) => ttlWord(n.ttl?.median_s ?? null),
    sort: (n) => n.ttl?.median_s ?? null,
    numeric: true,
    width: 148,
  },
  {
    key: 'forever',
    label: 'no expiry',
    text: (n) => format(forever(n), 'ratio'),
    sort: (n) => forever(n),
    numeric: true,
    width: 84,
  },
];

/** Bars of the times to live: each bucket's share of the highest, on a scale from 1 s to 1 day, by octaves. */
export function profile(of: MapNamespace, steps = 18): number[] {
  const bars = new Array<number>(steps).fill(0);
  for (const bucket of of.ttl?.buckets ?? []) {
    const at = Math.min(steps - 1, Math.max(0, Math.floor(ttlHeat(Math.sqrt(Math.max(bucket.from_s, 0.5) * bucket.to_s)) * steps)));
    bars[at] = (bars[at] ?? 0) + bucket.keys;
  }
  const most = Math.max(...bars);
  return most <= 0 ? bars : bars.map((bar) => bar / most);
}

const cell = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** What is listed as CSV, each figure with its bounds. */
export function csv(page: CacheMapPage): string {
  const bounds = (c: MapCount | null): string[] =>
    c === null
      ? ['', '', '', '']
      : c.kind === 'exact'
        ? [String(c.value), String(c.value), String(c.value), 'exact']
        : c.kind === 'at_least'
          ? [String(c.value), String(c.value), '', 'at least']
          : [String(c.value), String(c.low), String(c.high), 'estimate'];
  const head = ['namespace', 'keys', 'keys_low', 'keys_high', 'keys_are', 'bytes', 'bytes_low', 'bytes_high', 'bytes_are'];
  const rows = page.namespaces.map((n) => [
    n.name,
    ...bounds(n.keys),
    ...bounds(n.bytes),
    String(n.ttl?.median_s ?? ''),
    String(forever(n) ?? ''),
  ]);
  return [[...head, 'median_ttl_s', 'without_expiry'], ...rows].map((row) => row.map(cell).join(',')).join('\n') + '\n';
}

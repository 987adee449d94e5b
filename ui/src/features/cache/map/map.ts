// The map of a cache in words and figures: how sure each is, the tiles of the treemap, the rows of the table.
import type { CacheBytes, CacheHeatNamespace, CacheMap, CacheMapPage, MapCount, MapNamespace } from '../../../backend/types';
import type { Tile } from '../../../charts/treemap';
import { bytes, bytesAs, DASH, format, integer, lasted, plural, significant, THIN } from '../../../kit/figures';
import type { Column } from '../../../kit/list';

/** A figure, and in a column of its own how sure it is. */
export interface Sure {
  text: string;
  /** Half of the 95 % interval, larger side, in the unit of the figure; its upper end where that is wider than itself. Null without. */
  error: string | null;
}

type Word = (value: number) => string;

/** Half of an interval beside its figure; empty where nothing is left of it after rounding. */
function half(value: number, high: number, off: number, word: Word): string {
  if (off > value) return `to ${word(high)}`;
  const text = word === bytes ? bytesAs(off, value) : word(off);
  return /[1-9]/.test(text) ? `±${THIN}${text}` : '';
}

/** A count or an amount. What can still grow is a lower bound, and says so; an estimate whose interval is too small to be seen is *about*. */
export function sure(count: MapCount | null, word: Word = integer): Sure {
  if (count === null) return { text: DASH, error: null };
  if (count.kind === 'exact') return { text: word(count.value), error: null };
  if (count.kind === 'at_least') return { text: `≥${THIN}${word(count.value)}`, error: null };
  const error = half(count.value, count.high, Math.max(count.high - count.value, count.value - count.low), word);
  return error === '' ? { text: `≈${THIN}${word(count.value)}`, error: null } : { text: word(count.value), error };
}

/** The same in one text. */
export const sureText = (count: MapCount | null, word: Word = integer): string => {
  const { text, error } = sure(count, word);
  return error === null ? text : `${text} ${error}`;
};

/** What a figure is, in words, for a tooltip. */
export function sureAbout(count: MapCount | null, word: Word = integer): string {
  if (count === null) return 'Not asked';
  if (count.kind === 'exact') return 'Exact';
  if (count.kind === 'at_least') return 'Unfinished: that many were seen, how many more there are is not known';
  if (count.low === count.high) return 'Sampled: all that were asked were alike';
  return `Sampled, 95${THIN}% interval: ${word(count.low)} to ${word(count.high)}`;
}

/** What stands before a figure that is projected like this one and has no interval of its own. */
export const mark = (like: MapCount | null): string =>
  like === null || like.kind === 'exact' ? '' : like.kind === 'at_least' ? `≥${THIN}` : `≈${THIN}`;

/** Whether a map is exact, sampled or unfinished, in a word, and what that means. */
export function labelOf(map: CacheMap): { word: 'exact' | 'sampled' | 'unfinished'; about: string } {
  if (map.state !== 'finished') return { word: 'unfinished', about: progressOf(map).rest };
  if (map.exact && (map.detail === 'exact' || map.all?.bytes?.kind === 'exact'))
    return { word: 'exact', about: 'Every key was read and asked' };
  if (map.exact && map.detail === 'names') return { word: 'exact', about: 'Every name was read; nothing else was asked' };
  const of =
    map.detail === 'sampled' ? `${integer(map.sampled)} keys were asked for memory, type and expiry` : 'Keys came and went meanwhile';
  return { word: 'sampled', about: `${of}; ± is a 95${THIN}% interval, ≈ one too small to be seen` };
}

/** Shares below that have no digit of their own. */
const TINY = 0.0005;

/** A share in percent, one digit after the point; neither what there is becomes nothing, nor what is missing. */
export function percent(share: number): string {
  if (share > 0 && share < TINY) return `<${THIN}0.1`;
  return share < 1 && share >= 1 - TINY ? '99.9' : (share * 100).toFixed(1);
}

/** Half of a share's interval in percent, where it is seen. */
export const offPercent = (off: number): string => (off < TINY ? '' : ` ±${percent(off)}`);

/** A namespace's share of all, with half of its interval; the upper end where that is wider than itself. */
export function shareText(of: MapNamespace): string {
  const share = of.share_of_bytes ?? of.share_of_keys;
  const off = of.share_of_bytes === null ? null : of.share_of_bytes_error;
  if (off === null) return `${percent(share)}${THIN}%`;
  if (off > share) return `${percent(share)}${THIN}% to ${percent(Math.min(1, share + off))}`;
  return `${percent(share)}${THIN}%${offPercent(off)}`;
}

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

/** When the keys of a namespace expire, in words; null where nobody asked. */
export function expiry(of: MapNamespace): string | null {
  const never = forever(of);
  if (never !== null && never >= 0.995) return 'no key expires';
  if (never !== null && never >= NEVER) return `${percent(never)}${THIN}% never expire`;
  return of.ttl?.median_s === null || of.ttl === null ? null : `median TTL ${ttlWord(of.ttl.median_s)}`;
}

/** What the fill of a tile stands for. */
export interface Fill {
  /** Share of its scale, 0 to 1; null where it is not known. */
  heat: number | null;
  /** The same in words. */
  words: string | null;
  warns: boolean;
}
/** When its keys expire, as a fill: what mostly never expires is a warning. */
export function ttlFill(of: MapNamespace): Fill {
  const never = forever(of);
  const median = of.ttl?.median_s ?? null;
  return { heat: median === null ? null : ttlHeat(median), words: expiry(of), warns: never !== null && never >= NEVER };
}

function tileOf(of: MapNamespace, byBytes: boolean, fill: Fill): Tile {
  const size = `${amount(of)}, ${byBytes ? shareText(of) : `${percent(of.share_of_keys)}${THIN}%`}`;
  const like = mark(byBytes ? of.bytes : of.keys);
  const about = [of.name, `${sureText(of.keys)} keys`, of.bytes === null ? null : sureText(of.bytes, bytes), fill.words];
  return {
    id: of.path,
    name: of.name,
    lines: [size, ...(fill.words === null ? [] : [fill.words])],
    weight: weight(of, byBytes),
    heat: fill.heat,
    warns: fill.warns,
    opens: of.inside > 0,
    about: `${about.filter(Boolean).join(', ')}. ${sureAbout(byBytes ? of.bytes : of.keys, byBytes ? bytes : integer)}`,
    children: of.parts.map((part, i) => ({
      id: `${of.path}\u0000${i}`,
      name: part.label,
      lines: [like + (part.bytes === null ? plural(part.keys, 'key') : bytes(part.bytes))],
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

/** How sure the figures of what is not listed are: as sure as the map as a whole. */
const others = (page: CacheMapPage): string => {
  const { word } = labelOf(page.map);
  return word === 'exact' ? '' : word === 'sampled' || page.map.random_sample ? `≈${THIN}` : `≥${THIN}`;
};

export function tilesOf(page: CacheMapPage, fillOf: (of: MapNamespace) => Fill = ttlFill): Tile[] {
  const byBytes = knowsBytes(page);
  const tiles = page.namespaces.map((n) => tileOf(n, byBytes, fillOf(n)));
  const rest = byBytes ? (page.left_out_bytes ?? 0) : page.left_out_keys;
  if (page.left_out === 0 || rest <= 0) return tiles;
  const words = others(page) + (byBytes ? bytes(rest) : plural(rest, 'key'));
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
          map.detail === 'exact' || map.detail === 'names' || map.all?.bytes?.kind === 'exact'
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

/** Room that a column takes, in pixels, and below which room of all it is left out or draws less. */
const ROOM = { each: 1010, ttl: 900, share: 780 } as const;

/** Columns of the table on so much room, with `more` of those that were measured; figures that do not fit go before those that do. */
export function columnsOf(room: number, more: readonly Column<MapNamespace>[] = []): readonly Column<MapNamespace>[] {
  const left = room - more.reduce((sum, c) => sum + (c.width ?? 0), 0);
  const each: Column<MapNamespace> = {
    key: 'each',
    label: 'a key',
    text: (n) => (n.bytes_per_key === null ? DASH : mark(n.bytes) + bytes(n.bytes_per_key)),
    sort: (n) => n.bytes_per_key,
    numeric: true,
    width: 76,
  };
  return [
    { key: 'name', label: 'namespace', text: (n) => n.name, sort: (n) => n.name, mono: true, grow: 2, least: 112 },
    { key: 'keys', label: 'keys', text: (n) => sureText(n.keys), sort: (n) => n.keys.value, numeric: true, width: 124 },
    {
      key: 'bytes',
      label: 'memory',
      text: (n) => sureText(n.bytes, bytes),
      sort: (n) => n.bytes?.value ?? null,
      numeric: true,
      strong: true,
      width: 124,
    },
    {
      key: 'share',
      label: 'share',
      text: shareText,
      sort: (n) => n.share_of_bytes ?? n.share_of_keys,
      numeric: true,
      width: left < ROOM.share ? 96 : 168,
    },
    ...(left < ROOM.each ? [] : [each]),
    {
      key: 'ttl',
      label: 'median TTL',
      text: (n) => ttlWord(n.ttl?.median_s ?? null),
      sort: (n) => n.ttl?.median_s ?? null,
      numeric: true,
      width: left < ROOM.ttl ? 92 : 148,
    },
    {
      key: 'forever',
      label: 'no expiry',
      text: (n) => format(forever(n), 'ratio'),
      sort: (n) => forever(n),
      numeric: true,
      width: 80,
    },
    ...more,
  ];
}
/** Whether a column has room for what is drawn beside its figure. */
export const draws = (column: Column<MapNamespace>): boolean => (column.width ?? 0) > 100;

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

/** What is listed as CSV, each figure with its bounds and what it is; with what is measured of heat where that is known. */
export function csv(page: CacheMapPage, heatOf: (of: MapNamespace) => CacheHeatNamespace | null = () => null): string {
  const bounds = (c: MapCount | null): string[] =>
    c === null
      ? ['', '', '', '']
      : c.kind === 'exact'
        ? [String(c.value), String(c.value), String(c.value), 'exact']
        : c.kind === 'at_least'
          ? [String(c.value), String(c.value), '', 'at least']
          : [String(c.value), String(c.low), String(c.high), 'estimate'];
  const head = ['namespace', 'keys', 'keys_low', 'keys_high', 'keys_are', 'bytes', 'bytes_low', 'bytes_high', 'bytes_are'];
  const state = [labelOf(page.map).word];
  const or = (n: number | null | undefined): string => String(n ?? '');
  const rows = page.namespaces.map((n) => {
    const heat = heatOf(n);
    const asked = [or(n.ttl?.median_s), or(forever(n)), or(n.sampled)];
    return [n.name, ...bounds(n.keys), ...bounds(n.bytes), ...asked, or(heat?.share), or(heat?.hit_ratio_at_most), ...state];
  });
  const rest = page.left_out_bytes === null ? ['', '', '', ''] : [or(page.left_out_bytes), '', '', 'estimate'];
  const others =
    page.left_out === 0
      ? []
      : [[`(${page.left_out} others)`, or(page.left_out_keys), '', '', 'estimate', ...rest, '', '', '', '', '', ...state]];
  const names = [...head, 'median_ttl_s', 'without_expiry', 'keys_asked', 'share_of_use', 'hit_ratio_at_most', 'map_is'];
  return [names, ...rows, ...others].map((row) => row.map(cell).join(',')).join('\n') + '\n';
}

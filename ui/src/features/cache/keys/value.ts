// A value as it is looked at: its parts in rows, and the columns that its type has.
import type { CacheBytes, StreamEntry, ValueAt, ValueBytes, ValuePart } from '../../../backend/types';
import { bytes, DASH, duration, integer } from '../../../kit/figures';
import type { Column } from '../../../kit/list';
import { brief, bytesOf, cacheBytes, idOf, textOf } from './names';

/** Most that is fetched of a value unasked, and most that a page may have, in bytes; both are the engine's. */
export const UNASKED = 64 * 1024;
export const ASKED = 1024 * 1024;

/** One field, element, member or entry. */
export interface Item {
  id: string;
  /** Name of a field, or a member. */
  name: ValueBytes | null;
  value: ValueBytes | null;
  /** Its place in a list. */
  index: number | null;
  /** In the server's text. */
  score: string | null;
  expiresMs: number | null;
  /** Identifier and fields of an entry. */
  entry: StreamEntry | null;
}

const NOTHING = { name: null, value: null, index: null, score: null, expiresMs: null, entry: null };
/** Whether all of it is here. */
export const isWhole = (of: ValueBytes): boolean => bytesOf(of.bytes).length >= of.length;

/** The rows of a page. */
export function itemsOf(part: ValuePart): Item[] {
  switch (part.type) {
    case 'hash':
      return part.fields.map((f) => ({ ...NOTHING, id: idOf(f.name.bytes), name: f.name, value: f.value, expiresMs: f.expires_at_ms }));
    case 'list':
      return part.elements.map((e) => ({ ...NOTHING, id: String(e.index), value: e.value, index: e.index }));
    case 'set':
      return part.members.map((m) => ({ ...NOTHING, id: idOf(m.bytes), name: m }));
    case 'zset':
      return part.members.map((m) => ({ ...NOTHING, id: idOf(m.name.bytes), name: m.name, score: m.score }));
    case 'stream':
      return part.entries.map((e) => ({ ...NOTHING, id: e.id, entry: e }));
    default:
      return [];
  }
}

/** What it is that a person looks at in it. */
export const contentOf = (item: Item): ValueBytes | null => item.value ?? item.name;
const beginning = (of: ValueBytes | null): string => (of === null ? '' : brief(of.bytes) + (isWhole(of) ? '' : '…'));
export const entryText = (entry: StreamEntry): string => entry.fields.map(([n, v]) => `${beginning(n)}=${beginning(v)}`).join('  ');

/** What one is called. */
export const NOUNS: Readonly<Record<string, readonly [one: string, many: string]>> = {
  hash: ['field', 'fields'],
  list: ['element', 'elements'],
  set: ['member', 'members'],
  zset: ['member', 'members'],
  stream: ['entry', 'entries'],
};

const readsAs: Column<Item> = {
  key: 'reads',
  label: 'reads as',
  text: (i) => contentOf(i)?.reads_as ?? DASH,
  sort: (i) => contentOf(i)?.reads_as ?? null,
  width: 90,
  soft: true,
  fits: true,
  beside: 16,
};
const name = (label: string): Column<Item> => ({
  key: 'name',
  label,
  text: (i) => beginning(i.name),
  sort: (i) => beginning(i.name),
  mono: true,
  least: 90,
});
const value: Column<Item> = { key: 'value', label: 'value', text: (i) => beginning(i.value), mono: true, grow: 1.6, least: 110 };
const length: Column<Item> = {
  key: 'length',
  label: 'length',
  text: (i) => {
    const of = contentOf(i);
    return of === null ? DASH : bytes(of.length);
  },
  sort: (i) => contentOf(i)?.length ?? null,
  numeric: true,
  width: 66,
};

/** The columns of a type. `nowMs` is the present. */
export function columnsOf(kind: string, fieldTtls: boolean, nowMs: number): Column<Item>[] {
  switch (kind) {
    case 'hash': {
      const ttl: Column<Item> = {
        key: 'ttl',
        label: 'field TTL',
        text: (i) => (i.expiresMs === null ? 'never' : duration(Math.max(0, i.expiresMs - nowMs) / 1000)),
        sort: (i) => i.expiresMs,
        numeric: true,
        width: 84,
      };
      return [name('field'), value, readsAs, ...(fieldTtls ? [ttl] : [])];
    }
    case 'list':
      return [
        { key: 'index', label: 'place', text: (i) => integer(i.index ?? 0), sort: (i) => i.index, numeric: true, width: 64 },
        value,
        readsAs,
        length,
      ];
    case 'set':
      return [name('member'), readsAs, length];
    case 'zset':
      return [
        name('member'),
        {
          key: 'score',
          label: 'score',
          text: (i) => i.score ?? DASH,
          sort: (i) => scoreOf(i.score),
          numeric: true,
          strong: true,
          width: 96,
        },
        readsAs,
      ];
    default:
      return [
        { key: 'id', label: 'identifier', text: (i) => i.id, mono: true, least: 130 },
        { key: 'fields', label: 'names and values', text: (i) => (i.entry ? entryText(i.entry) : ''), mono: true, grow: 2, least: 140 },
      ];
  }
}
/** A score for sorting only; it is shown in the server's text. */
const scoreOf = (score: string | null): number | null =>
  score === null ? null : Number(score.replace(/^([+-]?)inf(?:inity)?$/i, '$1Infinity'));

/** Where the whole of an item is asked for; null where no server tells it. */
export function whereOf(item: Item): ValueAt | null {
  if (item.value === null) return null;
  if (item.index !== null) return { element: item.index };
  return item.name !== null && isWhole(item.name) ? { field: item.name.bytes } : null;
}

/** Text of a value, of which the last character may be cut; null where it is none. */
export function readable(raw: Uint8Array, whole: boolean): string | null {
  for (let cut = 0; cut <= (whole ? 0 : Math.min(3, raw.length)); cut += 1) {
    const text = textOf(raw.subarray(0, raw.length - cut));
    if (text !== null) return text;
  }
  return null;
}

/** Puts pieces together. */
export function joined(a: CacheBytes, b: CacheBytes): CacheBytes {
  const [first, second] = [bytesOf(a), bytesOf(b)];
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return cacheBytes(all);
}

// Edits of a key as they are entered: what is asked for, and the edit that it makes.
import type { CacheBytes, KeyEdit } from '../../../backend/types';
import { bytesOf, hexBytes, hexText, idOf, plainLines, shown, textOf } from './names';
import type { Item } from './value';

/** One thing that is entered. */
export interface Input {
  id: string;
  label: string;
  /** Bytes over several lines, a name, a score, a time to live. */
  kind: 'bytes' | 'name' | 'score' | 'ttl';
  /** What it begins with. */
  was: CacheBytes | null;
}
/** What was entered into one: text, or bytes in hex. */
export interface Typed {
  text: string;
  hex: boolean;
  /** A key that never expires, where a time to live is asked for. */
  never?: boolean;
}
export type Values = Readonly<Record<string, Typed>>;

/** What comes of it: an edit, nothing to do, a question, or what is wrong with one input. */
export type Made = { edit: KeyEdit; key?: CacheBytes } | { nothing: string } | { asks: 'delete' } | { fault: string; input: string };

export interface Draft {
  /** Tells it from others, for what was entered and not planned. */
  id: string;
  title: string;
  inputs: readonly Input[];
  make: (values: Values) => Made;
  /** Whether it adds what is not there yet. */
  adds?: true;
}

/** Longest value that is edited, in bytes: the engine's bound. */
export const LONGEST = 1024 * 1024;

/** How an input begins: text where a field of several lines keeps it as it is, else hex. */
export function typedOf(input: Input): Typed {
  if (input.was === null) return { text: '', hex: false };
  const text = textOf(bytesOf(input.was));
  const asText = text !== null && (input.kind === 'bytes' ? plainLines(text) !== null : !/[\r\n]/.test(text) && plainLines(text) !== null);
  return asText ? { text: text.replaceAll('\r\n', '\n'), hex: false } : { text: hexText(bytesOf(input.was)), hex: true };
}
/** Whether it may be entered as text without being altered by that. */
export const textual = (input: Input): boolean => input.was === null || !typedOf(input).hex;

/** The other way to enter the same; null where it has none. */
export function turned(input: Input, { text, hex }: Typed): Typed | null {
  if (!hex) return { text: hexText(bytesOf(bytesTyped(input, { text, hex })!)), hex: true };
  const bytes = hexBytes(text);
  const plain = bytes === null ? null : textOf(bytesOf(bytes));
  return plain === null || plainLines(plain) === null ? null : { text: plain.replaceAll('\r\n', '\n'), hex: false };
}

/** The bytes that were entered; null where they are none. */
export function bytesTyped(input: Input, typed: Typed): CacheBytes | null {
  if (typed.hex) return hexBytes(typed.text);
  const before = input.was === null ? null : textOf(bytesOf(input.was));
  const ends = before === null ? '\n' : (plainLines(before)?.ends ?? '\n');
  return { text: ends === '\r\n' ? typed.text.replaceAll('\n', '\r\n') : typed.text };
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  sec: 1e3,
  m: 6e4,
  min: 6e4,
  h: 3.6e6,
  d: 8.64e7,
  day: 8.64e7,
  days: 8.64e7,
  w: 6.048e8,
};
/** A time as it is entered: `90`, `90 s`, `5 min`, `1 h 30 min`, `7 d`; without a unit seconds. In milliseconds; null where it is none. */
export function ttlMs(text: string): number | null {
  const plain = text.trim().toLowerCase();
  if (/^\d+(?:\.\d+)?$/.test(plain)) return Number(plain) * 1000;
  const parts = [...plain.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)\s*/g)];
  if (parts.length === 0 || parts.map((p) => p[0]).join('') !== plain) return null;
  let sum = 0;
  for (const [, n, unit] of parts) {
    const size = UNITS[unit!];
    if (size === undefined) return null;
    sum += Number(n) * size;
  }
  return sum;
}

const value = (was: CacheBytes | null, label = 'Value'): Input => ({ id: 'value', label, kind: 'bytes', was });
const named = (label: string, was: CacheBytes | null = null): Input => ({ id: 'name', label, kind: 'name', was });
const scored = (was: string | null): Input => ({ id: 'score', label: 'Score', kind: 'score', was: was === null ? null : { text: was } });

/** The edit of what all inputs have as bytes. */
function from(inputs: readonly Input[], edit: (of: Readonly<Record<string, CacheBytes>>) => KeyEdit): Pick<Draft, 'inputs' | 'make'> {
  const make = (values: Values): Made => {
    const found: Record<string, CacheBytes> = {};
    for (const input of inputs) {
      const bytes = bytesTyped(input, values[input.id]!);
      if (bytes === null) return { fault: 'Pairs of hex digits, such as 0a ff', input: input.id };
      found[input.id] = bytes;
    }
    for (const { id, kind } of inputs) {
      const text = 'text' in found[id]! ? found[id].text.trim() : '';
      if (kind === 'score' && !/^[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf)$/i.test(text)) {
        return { fault: 'A number, inf or -inf', input: id };
      }
    }
    const changed = inputs.filter(({ was }) => was !== null);
    if (changed.length > 0 && changed.length === inputs.length && changed.every((i) => idOf(found[i.id]!) === idOf(i.was!))) {
      return { nothing: 'Nothing was changed: it is as it was' };
    }
    return { edit: edit(found) };
  };
  return { inputs, make };
}
const text = (of: CacheBytes): string => ('text' in of ? of.text.trim() : '');

export const editString = (seen: CacheBytes): Draft => ({
  id: 'set',
  title: 'Edit the value',
  ...from([value(seen)], (of) => ({ kind: 'set', value: of['value']!, seen })),
});
/** Edits the value or the score of an item; null where it has none. `seen` is all of its value. */
export function editItem(item: Item, seen: CacheBytes | null): Draft | null {
  const name = item.name?.bytes ?? null;
  if (item.score !== null && name !== null) {
    const was = item.score;
    const edit = from([scored(was)], (of) => ({ kind: 'set_score', member: name, score: text(of['score']!), seen: was }));
    return { id: `score ${item.id}`, title: `Edit the score of ${shown(name)}`, ...edit };
  }
  if (seen === null || item.value === null) return null;
  if (item.index !== null) {
    const index = item.index;
    const edit = from([value(seen)], (of) => ({ kind: 'set_element', index, value: of['value']!, seen }));
    return { id: `element ${index}`, title: `Edit element ${index}`, ...edit };
  }
  if (name === null) return null;
  const edit = from([value(seen)], (of) => ({ kind: 'set_field', field: name, value: of['value']!, seen }));
  return { id: `field ${item.id}`, title: `Edit the field ${shown(name)}`, ...edit };
}
export const renameField = (field: CacheBytes): Draft => ({
  id: `rename field ${idOf(field)}`,
  title: `Rename the field ${shown(field)}`,
  ...from([named('New name', field)], (of) => ({ kind: 'rename_field', field, to: of['name']! })),
});
/** Adds to a key of a type. `at` is the place of a new element. */
export function addTo(kind: string, at = 0): Draft | null {
  switch (kind) {
    case 'hash':
      return {
        id: 'add field',
        title: 'Add a field',
        adds: true,
        ...from([named('Field'), value(null)], (of) => ({ kind: 'set_field', field: of['name']!, value: of['value']!, seen: null })),
      };
    case 'list':
      return {
        id: `insert ${at}`,
        title: `Insert an element at place ${at}`,
        adds: true,
        ...from([value(null)], (of) => ({ kind: 'insert_element', index: at, value: of['value']! })),
      };
    case 'set':
      return {
        id: 'add member',
        title: 'Add a member',
        adds: true,
        ...from([value(null, 'Member')], (of) => ({ kind: 'add_member', member: of['value']! })),
      };
    case 'zset':
      return {
        id: 'add scored',
        title: 'Add a member',
        adds: true,
        ...from([named('Member'), scored(null)], (of) => ({
          kind: 'set_score',
          member: of['name']!,
          score: text(of['score']!),
          seen: null,
        })),
      };
    default:
      return null;
  }
}
/** Types of which a key can be made. */
export const MADE = ['string', 'hash', 'list', 'set', 'zset'] as const;
/** A key that is not there yet: its name, and the first that is in it. */
export function newKey(kind: (typeof MADE)[number]): Draft {
  const string: Draft = {
    id: 'string',
    title: '',
    ...from([value(null)], (of) => ({ kind: 'set', value: of['value']!, seen: null })),
  };
  const first = addTo(kind) ?? string;
  const name: Input = { id: 'key', label: 'Name of the key', kind: 'name', was: null };
  return {
    id: `new ${kind}`,
    title: `Make a ${kind === 'zset' ? 'sorted set' : kind}`,
    adds: true,
    inputs: [name, ...first.inputs],
    make: (values) => {
      const key = bytesTyped(name, values['key']!);
      if (key === null || bytesOf(key).length === 0) return { fault: 'A name', input: 'key' };
      const made = first.make(values);
      return 'edit' in made ? { ...made, key } : made;
    },
  };
}
/** Takes an item out; null where that cannot be asked for. `seen` is all of its value. */
export function removal(item: Item, seen: CacheBytes | null): KeyEdit | null {
  if (item.entry !== null) return { kind: 'remove_entry', id: item.entry.id };
  if (item.index !== null) return seen === null ? null : { kind: 'remove_element', index: item.index, seen };
  const name = item.name?.bytes;
  if (name === undefined) return null;
  if (item.score !== null) return { kind: 'remove_scored', member: name, seen: item.score };
  if (item.value === null) return { kind: 'remove_member', member: name };
  return seen === null ? null : { kind: 'remove_field', field: name, seen };
}
export const rename = (key: CacheBytes): Draft => ({
  id: 'rename',
  title: 'Rename the key',
  ...from([named('New name', key)], (of) => ({ kind: 'rename', to: of['name']! })),
});
/** Never is `PERSIST`, nothing entered changes nothing, and 0 asks: it would remove the key. */
export const expire = (): Draft => ({
  id: 'expire',
  title: 'Change when the key expires',
  inputs: [{ id: 'ttl', label: 'Time to live from when it is applied', kind: 'ttl', was: null }],
  make: ({ ttl }) => {
    if (ttl?.never) return { edit: { kind: 'expire', in_ms: null } };
    const entered = ttl?.text.trim() ?? '';
    if (entered === '') return { nothing: 'Nothing was entered, so nothing changes' };
    const ms = ttlMs(entered);
    if (ms === null) return { fault: 'A time such as 90 s, 5 min, 1 h 30 min or 7 d', input: 'ttl' };
    if (ms < 1) return { asks: 'delete' };
    return { edit: { kind: 'expire', in_ms: Math.round(ms) } };
  },
});

/** What of a key was seen when an edit of it began; null where it compares nothing. */
export function seenBy(edit: KeyEdit): CacheBytes | null {
  if (!('seen' in edit) || edit.seen === null) return null;
  return typeof edit.seen === 'string' ? { text: edit.seen } : edit.seen;
}
/** What it writes; null where it removes something. */
export function writtenBy(edit: KeyEdit): CacheBytes | null {
  if ('value' in edit) return edit.value;
  return edit.kind === 'set_score' ? { text: edit.score } : null;
}
/** The same edit over what is there now; null where it is not known what that is. */
export function over(edit: KeyEdit, theirs: CacheBytes | null): KeyEdit | null {
  switch (edit.kind) {
    case 'set':
    case 'set_field':
      return { ...edit, seen: theirs };
    case 'set_element':
    case 'remove_element':
    case 'remove_field':
      return theirs === null ? null : { ...edit, seen: theirs };
    case 'set_score':
    case 'remove_scored':
      return theirs !== null && 'text' in theirs ? { ...edit, seen: theirs.text } : null;
    default:
      return null;
  }
}
/** Which part of a key an edit is about, in words. */
export function partOf(edit: KeyEdit): string {
  switch (edit.kind) {
    case 'set_field':
    case 'remove_field':
    case 'rename_field':
      return `field ${shown(edit.field)}`;
    case 'set_element':
    case 'remove_element':
    case 'insert_element':
      return `element ${edit.index}`;
    case 'set_score':
    case 'remove_scored':
      return `score of ${shown(edit.member)}`;
    default:
      return 'value';
  }
}

// Names and values of keys are bytes: how they are read, typed, copied and put into an address.
import type { CacheBytes } from '../../../backend/types';
import { visible } from '../../../kit/names';

const encoder = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function bytesOf(of: CacheBytes): Uint8Array {
  return 'text' in of ? encoder.encode(of.text) : Uint8Array.from(atob(of.base64), (c) => c.charCodeAt(0));
}
/** Text of bytes that are UTF-8; null of others. */
export function textOf(raw: Uint8Array): string | null {
  try {
    return strict.decode(raw);
  } catch {
    return null;
  }
}
/** Characters that a call takes at once. */
const AT_ONCE = 8192;
export function cacheBytes(raw: Uint8Array): CacheBytes {
  const text = textOf(raw);
  if (text !== null) return { text };
  let binary = '';
  for (let at = 0; at < raw.length; at += AT_ONCE) binary += String.fromCharCode(...raw.subarray(at, at + AT_ONCE));
  return { base64: btoa(binary) };
}
/** How many bytes they are. */
export const lengthOf = (of: CacheBytes): number => bytesOf(of).length;
export const same = (a: CacheBytes | null, b: CacheBytes | null): boolean =>
  a === b || (a !== null && b !== null && idOf(cacheBytes(bytesOf(a))) === idOf(cacheBytes(bytesOf(b))));

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
/** Length of the character that begins here; 0 where none does. */
function character(raw: Uint8Array, at: number): number {
  const first = raw[at]!;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  return length > 0 && textOf(raw.subarray(at, at + length)) !== null ? length : 0;
}
/** Text in which every byte that belongs to no character is written `\xff`; a backslash is written twice. */
export function escaped(raw: Uint8Array): string {
  let text = '';
  for (let at = 0; at < raw.length;) {
    const length = character(raw, at);
    const byte = raw[at]!;
    if (length === 0 || (length === 1 && (byte < 0x20 || byte === 0x7f))) text += `\\x${hex(byte)}`;
    else text += byte === 0x5c ? '\\\\' : textOf(raw.subarray(at, at + length))!;
    at += Math.max(1, length);
  }
  return text;
}
/** A name as it is read, in one line, with nothing hidden in it. */
export const shown = (of: CacheBytes): string => ('text' in of ? visible(of.text) : escaped(bytesOf(of)));
/** The beginning of a value in one line. */
export function brief(of: CacheBytes, most = 120): string {
  if ('text' in of) return of.text.length > most ? `${visible(of.text.slice(0, most))}…` : visible(of.text);
  const raw = bytesOf(of);
  return escaped(raw.subarray(0, most)) + (raw.length > most ? '…' : '');
}

const QUOTED: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
/** What is copied: text as it is; what is none between quotes, as redis-cli reads it byte for byte. */
export function copied(of: CacheBytes): string {
  if ('text' in of) return of.text;
  const words = [...bytesOf(of)].map((byte) => {
    const char = String.fromCharCode(byte);
    return QUOTED[char] ?? (byte >= 0x20 && byte < 0x7f ? char : `\\x${hex(byte)}`);
  });
  return `"${words.join('')}"`;
}

const MARK = 'base64:';
/** A name in an address, and what tells one row from another: its text, or its Base64 after `base64:`. */
export function idOf(of: CacheBytes): string {
  if ('base64' in of) return MARK + of.base64;
  return of.text.startsWith(MARK) ? MARK + btoa(String.fromCharCode(...encoder.encode(of.text))) : of.text;
}
/** The name of an address; null where it is none. */
export function nameOf(id: string | null): CacheBytes | null {
  if (id === null) return null;
  if (!id.startsWith(MARK)) return { text: id };
  try {
    return cacheBytes(bytesOf({ base64: id.slice(MARK.length) }));
  } catch {
    return null;
  }
}

/** The bytes of a pattern as it is typed: `\xff` is a byte, everything else means what the server means by it. */
export function patternBytes(typed: string): CacheBytes {
  const parts = typed.split(/(\\\\|\\x[0-9a-fA-F]{2})/);
  const raw = parts.map((part) => (/^\\x..$/.test(part) ? Uint8Array.of(parseInt(part.slice(2), 16)) : encoder.encode(part)));
  return cacheBytes(Uint8Array.from(raw.flatMap((part) => [...part])));
}
/** A pattern as it would be typed, which is how it stands in an address: `#/e/ID/cache/keys?pattern=…`. */
export function patternText(pattern: CacheBytes): string {
  if ('text' in pattern) return pattern.text;
  // Backslashes are the pattern's own already.
  return escaped(bytesOf(pattern)).replaceAll('\\\\', '\\');
}
/** The one name that a pattern has where nothing in it stands for others; null where something does. */
export function literal(typed: string): CacheBytes | null {
  if (/^(?:[^*?[\\]|\\[^])*$/.test(typed) === false) return null;
  const plain = typed.replace(/\\(x[0-9a-fA-F]{2}|[^])/g, (whole, one: string) => (one.length === 3 ? whole : one === '\\' ? '\\\\' : one));
  const bytes = patternBytes(plain);
  return 'text' in bytes ? { text: bytes.text.replaceAll('\\\\', '\\') } : bytes;
}
/** A pattern of the names that have a text somewhere. */
export const containing = (text: string): string => `*${text.replace(/[*?[\]\\]/g, '\\$&')}*`;

/** Bytes of a line of a dump. */
export const LINE = 16;
/** Bytes in lines: their place, the bytes in hex, and what of them is text. */
export function dump(raw: Uint8Array, from = 0): string {
  const lines: string[] = [];
  for (let at = 0; at < raw.length; at += LINE) {
    const part = [...raw.subarray(at, at + LINE)];
    const words = part
      .map(hex)
      .join(' ')
      .padEnd(LINE * 3 - 1);
    const text = part.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('');
    lines.push(`${(from + at).toString(16).padStart(8, '0')}  ${words}  ${text}`);
  }
  return lines.join('\n');
}
/** Bytes as they are typed in hex. */
export const hexText = (raw: Uint8Array): string =>
  [...raw]
    .map((b, i) => hex(b) + ((i + 1) % LINE === 0 ? '\n' : ' '))
    .join('')
    .trim();
/** Bytes of what was typed in hex; null where it is none. */
export function hexBytes(text: string): CacheBytes | null {
  const digits = text.replace(/\s+/g, '');
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) return null;
  return cacheBytes(Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16)));
}

/** Whether a text goes through a field of several lines unaltered: such a field knows one kind of line ends, and no controls. */
export function plainLines(text: string): { ends: '\n' | '\r\n' } | null {
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text)) return null;
  if (!text.includes('\r')) return { ends: '\n' };
  return /^(?:[^\r\n]|\r\n)*$/.test(text) ? { ends: '\r\n' } : null;
}

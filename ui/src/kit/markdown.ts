// Text for Markdown: whatever names, statements and errors hold, it stays text, and times have their zone.
import { THIN } from './figures';

const oneLine = (text: string): string => text.replaceAll(/\s*[\r\n]+\s*/g, ' ').replaceAll(THIN, '\u00a0');

/** Text as it is, in a paragraph, a heading or a cell: nothing of it is markup. */
export const text = (of: string): string =>
  oneLine(of)
    .replaceAll(/[\\`*<>[\]|~]/g, '\\$&')
    // Within a word an underscore is one.
    .replaceAll(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\_')
    .replaceAll(/&(?=#?\w+;)/g, '\\&');

/** A span of code; its fence is longer than any in it. */
export function code(of: string): string {
  const line = oneLine(of);
  const fence = '`'.repeat(1 + Math.max(0, ...(line.match(/`+/g) ?? []).map((run) => run.length)));
  const room = /^`|`$|^ .* $/.test(line) ? ' ' : '';
  return `${fence}${room}${line}${room}${fence}`;
}

export const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const two = (n: number): string => String(n).padStart(2, '0');

/** A moment to the second, the same in each zone: `2026-11-29 16:20:05 UTC`, as reports have it. */
export function utc(ms: number): string {
  const d = new Date(Math.floor(ms / 1000) * 1000);
  const day = `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
  return `${day} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())} UTC`;
}

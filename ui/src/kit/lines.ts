/** Lines of a text that an error names. */

/** The line that an error of the reader names, from 1. */
export function lineOf(message: string): number | null {
  const found = /\bline (\d+)\b/i.exec(message);
  return found ? Number(found[1]) : null;
}

/** Where a line begins and ends in a text, for selecting it. */
export function spanOfLine(text: string, line: number): [number, number] {
  let start = 0;
  for (let n = 1; n < line; n++) {
    const next = text.indexOf('\n', start);
    if (next < 0) break;
    start = next + 1;
  }
  const end = text.indexOf('\n', start);
  return [start, end < 0 ? text.length : end];
}

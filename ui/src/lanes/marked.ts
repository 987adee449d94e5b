// Text with identifiers between backticks, as findings carry it.

export interface Part {
  text: string;
  code: boolean;
}

/** Splits `a \`b\` c` into plain and monospace parts; an unpaired backtick stays text. */
export function parts(text: string): Part[] {
  const pieces = text.split('`');
  if (pieces.length % 2 === 0) return [{ text, code: false }];
  return pieces.map((piece, i) => ({ text: piece, code: i % 2 === 1 })).filter((p) => p.text !== '');
}

/** `3 things to look at`. */
export function count(n: number): string {
  return n === 1 ? '1 thing to look at' : `${n} things to look at`;
}

/** The order of the list: how many are broken, which come first, then those that cost. */
export function orderOf(broken: number, all: number): string {
  if (broken === 0) return 'by cost';
  return broken === all ? `${broken} broken now` : `${broken} broken now, then by cost`;
}

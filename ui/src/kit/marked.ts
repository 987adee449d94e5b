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

// How many findings there are, and in which order they stand, in words.

/** `3 things to look at`. */
export function count(n: number): string {
  return n === 1 ? '1 thing to look at' : `${n} things to look at`;
}

/** The order of the list: how many are broken, which come first, then those that cost. */
export function orderOf(broken: number, all: number): string {
  if (broken === 0) return 'by cost';
  return broken === all ? `${broken} broken now` : `${broken} broken now, then by cost`;
}

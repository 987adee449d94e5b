// What a benchmark is started for: one run, pairs of runs, or a search for the knee.

export type Mode = 'run' | 'duet' | 'knee';

/** Each question in a sentence; `sides` says what A and B are. */
export const questionWords = (mode: Mode, sides: string): string =>
  ({
    run: 'One run: its rate, its percentiles, and what they rest on.',
    duet: `Pairs of runs in random order: ${sides}. The verdict comes with its interval.`,
    knee: 'The highest concurrency that keeps an objective, and what limits it there.',
  })[mode];

/** What is wrong with a number of pairs; empty when nothing is. */
export function pairsFault(pairs: string): string {
  const count = Number(pairs);
  return Number.isInteger(count) && count >= 6 && count <= 100 ? '' : 'From 6 to 100; fewer can prove nothing';
}

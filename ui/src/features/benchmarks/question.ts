// What a benchmark is started for: one run, pairs of runs, or a search for the knee.
import type { HttpBenchSpec } from './types';

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

/** How the two sides of a duet differ besides their host; empty when they can be compared. */
export function differences(a: HttpBenchSpec, b: HttpBenchSpec): string {
  const [left, right] = [new URL(a.url), new URL(b.url)];
  if (left.protocol !== right.protocol)
    return `A uses ${left.protocol.slice(0, -1)} and B ${right.protocol.slice(0, -1)}: another load engine`;
  const path = (url: URL): string => url.pathname + url.search;
  if (path(left) !== path(right)) return `A asks for ${path(left)} and B for ${path(right)}: both sides must do the same on two targets`;
  return '';
}

// What is drawn over a number of connections: throughput and, below it, latency; what was measured, a law through it, an answer.

/** One measurement. */
export interface GrowthPoint {
  connections: number;
  /** Throughput, per second. */
  rate: number;
  /** Latency, in milliseconds; null where it is not known. */
  ms: number | null;
  /** Its figures in words, where it is pointed at. */
  about: string;
  /** Filled, filled in the colour of what is chosen, or a ring for what does not count as the others. */
  look: 'plain' | 'accent' | 'hollow';
  /** Radius, in pixels. */
  r: number;
}

/** A number of connections that the chart is about. */
export interface GrowthMark {
  connections: number;
  words: string;
  /** What is recommended, what was found, and what goes on. */
  look: 'chosen' | 'found' | 'running';
  testid?: string;
}

/** A stretch of throughput around a law, or the same for all numbers of connections. */
export interface GrowthBand {
  connections: number;
  low: number;
  /** Null without an upper end. */
  high: number | null;
}

/** A line of the legend. */
export interface GrowthSign {
  look: 'plain' | 'accent' | 'hollow' | 'law' | 'band';
  words: string;
}

export interface Growth {
  /** What the chart says, for those who do not see it. */
  label: string;
  /** Right end of the axis of connections, whose left end is 1; labelled where there is room. */
  most: number;
  ticks: readonly number[];
  /** Round upper end of the axis of throughput, per second. */
  top: number;
  /** Round ends of the axis of latency, in milliseconds; null where nothing is known of it. */
  times: { low: number; high: number } | null;
  /** What the latency is, and what else is to be known of its axis. */
  latency: readonly [string, string];
  points: readonly GrowthPoint[];
  /** The fitted law, and what surrounds it. */
  law: readonly (readonly [connections: number, rate: number])[];
  band: readonly GrowthBand[];
  /** A throughput that holds for all, in words. */
  level: { low: number; high: number | null; words: string } | null;
  /** A line through the latencies. */
  tail: readonly (readonly [connections: number, ms: number])[];
  /** The latency that has to be kept, in milliseconds, in words. */
  limit: { ms: number; words: string } | null;
  marks: readonly GrowthMark[];
  signs: readonly GrowthSign[];
}

/** Labelled ticks that fit: every second one, every fourth …, the last one kept. */
export function fitting(ticks: readonly number[], room: number): number[] {
  let shown = [...ticks];
  while (shown.length > Math.max(2, room)) shown = shown.filter((_, i) => (shown.length - 1 - i) % 2 === 0);
  return shown;
}

/** Powers of ten from one end to the other, at most four. */
export function decades({ low, high }: { low: number; high: number }): number[] {
  const all: number[] = [];
  for (let v = low; v <= high * 1.001; v *= 10) all.push(Number(v.toPrecision(3)));
  return fitting(all, 4);
}

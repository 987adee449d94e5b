// Scales of the percentile curve: x is log 1/(1-q), y log time.

export interface CurvePoint {
  q: number;
  ms: number;
}

/** Position of a quantile on the axis: 0 at q = 0, 1 at 0.9, 2 at 0.99. */
export const nines = (q: number): number => -Math.log10(Math.max(1 - q, 1e-7));

/** Labelled quantiles up to the one that one sample in `n` could reach. */
export function curveTicks(most: number): { x: number; label: string }[] {
  const all: [number, string][] = [
    [0, '0'],
    [0.5, '50'],
    [0.9, '90'],
    [0.99, '99'],
    [0.999, '99.9'],
    [0.9999, '99.99'],
    [0.99999, '99.999'],
  ];
  return all.map(([q, label]) => ({ x: nines(q), label })).filter((t) => t.x <= most + 1e-9);
}

/** Width of a digit of an axis label, in pixels, a little more than it has. */
const DIGIT_PX = 7;

/** Labels that do not touch, from left to right with the last one kept; `x` is where the middle of each stands, in pixels. */
export function apart<T extends { x: number; label: string }>(ticks: readonly T[], x: (at: number) => number): T[] {
  const half = (tick: T): number => (tick.label.length * DIGIT_PX) / 2;
  const kept: T[] = [];
  for (const tick of [...ticks].reverse()) {
    const right = kept[0];
    if (!right || x(tick.x) + half(tick) + 4 <= x(right.x) - half(right)) kept.unshift(tick);
  }
  return kept;
}

/** Where the hatch begins: the quantile with n = 100 / (1 − q). */
export const reliable = (n: number): number => (n > 100 ? Math.log10(n / 100) : 0);

/** Right end of the axis: the last labelled quantile that n samples can say anything about. */
export function curveEnd(n: number): number {
  return Math.min(5, Math.max(2, Math.ceil(Math.log10(Math.max(n, 2)) - 1e-9)));
}

/** Round ends of the time axis in milliseconds and its decades. */
export function curveScale(points: readonly CurvePoint[]): { min: number; max: number; labels: number[] } {
  const values = points.map((p) => p.ms).filter((v) => v > 0);
  if (values.length === 0) return { min: 1, max: 10, labels: [1, 10] };
  const grid = (power: number): number[] => [1, 3].map((m) => m * 10 ** power);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const all: number[] = [];
  for (let p = Math.floor(Math.log10(low)) - 1; p <= Math.ceil(Math.log10(high)) + 1; p += 1) all.push(...grid(p));
  const min = all.filter((v) => v <= low * 1.0001).pop() ?? low;
  const max = all.find((v) => v >= high * 0.9999 && v > min) ?? high;
  let labels = all.filter((v) => v >= min * 0.999 && v <= max * 1.001);
  while (labels.length > 5) labels = labels.filter((_, i) => (labels.length - 1 - i) % 2 === 0);
  return { min, max, labels: labels.map((v) => Number(v.toPrecision(3))) };
}

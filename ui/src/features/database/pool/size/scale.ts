// Axes of the chart of a sizing: connections by powers of two, throughput from 0, p99 by powers of ten.
import type { PoolSizing } from '../../../../backend/types';
import { niceCeil } from '../../../../charts/scale';

export interface SizeScale {
  /** Largest number of connections. */
  most: number;
  /** Round upper end of the throughput axis. */
  top: number;
  /** Round ends of the p99 axis; null where nothing is known of it. */
  times: { low: number; high: number } | null;
}

export function sizeScale(found: PoolSizing): SizeScale {
  const most = Math.max(2, ...found.sizes.map((size) => size.connections));
  const bands = found.curve.map((point) => point.band?.high ?? point.rate_per_s);
  const highest = Math.max(1, ...found.cells.map((cell) => cell.rate_per_s));
  // A band without a limit would flatten all that was measured.
  const top = niceCeil(Math.min(Math.max(highest, ...bands), highest * 1.5) * 1.05, 'per_second');
  const p99s = [...found.cells.map((cell) => cell.p99_ms), found.objective_ms].filter((ms): ms is number => ms !== null && ms > 0);
  if (p99s.length === 0) return { most, top, times: null };
  const power = (ms: number, round: (of: number) => number): number => 10 ** round(Math.log10(ms));
  const low = power(Math.min(...p99s), Math.floor);
  return { most, top, times: { low, high: Math.max(low * 10, power(Math.max(...p99s) * 1.02, Math.ceil)) } };
}

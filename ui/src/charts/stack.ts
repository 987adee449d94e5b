// Stacked columns: running sums from the bottom up.
import type { Column } from './series';

/**
 * Running sums of `columns`, the bottom one first. Where a column has no sample, its sum and those above it have none:
 * a missing part is not a zero.
 */
export function stack(columns: readonly Column[]): Column[] {
  const length = columns[0]?.length ?? 0;
  const sums: Column[] = columns.map(() => new Array<number | null>(length).fill(null));
  for (let i = 0; i < length; i += 1) {
    let sum = 0;
    for (let c = 0; c < columns.length; c += 1) {
      const v = columns[c]![i];
      if (v === null || v === undefined) break;
      sum += v;
      sums[c]![i] = sum;
    }
  }
  return sums;
}

/** Smallest and largest value of columns between two rows; `null` without any. */
export function extent(columns: readonly Column[], from: number, to: number): { low: number | null; high: number | null } {
  let low: number | null = null;
  let high: number | null = null;
  for (const column of columns) {
    for (let i = from; i < to; i += 1) {
      const v = column[i];
      if (v === null || v === undefined) continue;
      if (low === null || v < low) low = v;
      if (high === null || v > high) high = v;
    }
  }
  return { low, high };
}

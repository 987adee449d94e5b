// Response times over time: counts by column of time and bucket of a quarter octave, and what a heatmap says of them.
import { integer, plural, significant, THIN, format } from '../kit/figures';

/** Buckets with their counts, ascending. */
export type HeatColumn = readonly (readonly [number, number])[];

/** Columns kept; beyond that two become one. */
export const MOST_COLUMNS = 1200;
/** Steps of the colour ramp. */
export const LEVELS = 8;

/** Lower end of a bucket, in milliseconds: bucket b holds 2^(b/4) up to 2^((b+1)/4) microseconds. */
export const bucketFrom = (bucket: number): number => 2 ** (bucket / 4) / 1000;
/** The bucket axis at a time in milliseconds; whole numbers are the lower ends of buckets. */
export const bucketAt = (ms: number): number => 4 * Math.log2(Math.max(ms, 1e-6) * 1000);

/** Step of the ramp for a count, 0 for none; logarithmic up to `top`. */
export function level(count: number, top: number): number {
  if (count <= 0) return 0;
  return Math.min(LEVELS, Math.max(1, Math.ceil((LEVELS * Math.log(count + 1)) / Math.log(top + 1))));
}

/** The power of two that a ramp ends at, so that it does not change with every request. */
export const rampTop = (most: number): number => 2 ** Math.max(1, Math.ceil(Math.log2(Math.max(most, 1))));

/** `12–14 ms`: both ends in the unit of the upper one. */
export function bucketWords(bucket: number): string {
  const [from, to] = [bucketFrom(bucket), bucketFrom(bucket + 1)];
  const [factor, unit] = to < 1 ? [1000, 'µs'] : to < 1000 ? [1, 'ms'] : [0.001, 's'];
  const text = (v: number): string => {
    const scaled = v * factor;
    return scaled >= 10 ? integer(scaled) : significant(scaled, 2);
  };
  return `${text(from)}–${text(to)}${THIN}${unit}`;
}

/** `12–14 ms, 340 requests, 3.1 %`. */
export function cellWords(bucket: number, count: number, total: number): string {
  const share = total > 0 ? format(count / total, 'ratio') : '–';
  return `${bucketWords(bucket)}, ${plural(count, 'request')}, ${share}`;
}

/** A quantile of a column in milliseconds, in between the ends of its bucket; null without requests. */
export function quantile(column: ReadonlyMap<number, number>, q: number): number | null {
  const list = [...column].sort(([a], [b]) => a - b);
  const total = list.reduce((sum, [, n]) => sum + n, 0);
  if (total === 0) return null;
  let left = q * total;
  for (const [bucket, n] of list) {
    if (left <= n) return bucketFrom(bucket + left / n);
    left -= n;
  }
  return bucketFrom(list[list.length - 1]![0] + 1);
}

export interface Rows {
  /** The lowest bucket shown. */
  low: number;
  /** How many are shown. */
  count: number;
  /** Height of one, in CSS pixels. */
  px: number;
}

/** The rows for buckets `low` to `high` on a height: as tall as fit, 2 to 8 pixels; what is left over is above. */
export function rowsFor(low: number, high: number, height: number): Rows {
  const need = Math.max(1, high - low + 1);
  const px = [8, 6, 5, 4, 3, 2].find((p) => Math.floor(height / p) >= need) ?? 1;
  const count = Math.floor(height / px);
  return { low: need > count ? high - count + 1 : low, count, px };
}

/** Labelled times inside the rows, at most four. */
export function heatLabels(rows: Rows): number[] {
  const end = rows.low + rows.count;
  const inside = (mantissas: readonly number[]): number[] => {
    const found: number[] = [];
    for (let p = -3; p <= 7; p += 1)
      for (const m of mantissas) {
        const v = Number((m * 10 ** p).toPrecision(3));
        if (bucketAt(v) >= rows.low + 0.5 && bucketAt(v) <= end - 0.5) found.push(v);
      }
    return found;
  };
  let found = inside([1]);
  if (found.length < 2) found = inside([1, 2, 5]);
  while (found.length > 4) found = found.filter((_, i) => i % 2 === 0);
  return found;
}

interface Stored {
  started_ms: number;
  column_s: number;
  columns: readonly HeatColumn[];
}

/** Counts that grow; long runs fold two columns into one, so that memory is bounded. */
export class Heat {
  startMs: number;
  columnMs: number;
  columns: Map<number, number>[] = [];
  /** For each column the version of its last change. */
  stamps: number[] = [];
  version = 0;
  /** Counts up when a column means something else than before. */
  folds = 0;
  low = Infinity;
  high = -Infinity;
  /** Largest count of a cell. */
  most = 0;

  constructor(startMs: number, columnMs = 1000) {
    this.startMs = startMs;
    this.columnMs = columnMs;
  }

  static of(stored: Stored): Heat {
    const heat = new Heat(stored.started_ms, stored.column_s * 1000);
    stored.columns.forEach((column, i) => heat.put(i, column));
    return heat;
  }

  /** Adds what came in up to `atMs`. */
  add(atMs: number, pairs: HeatColumn): void {
    if (atMs < this.startMs) return;
    while ((atMs - this.startMs) / this.columnMs > MOST_COLUMNS) this.#fold();
    this.put(Math.max(0, Math.ceil((atMs - this.startMs) / this.columnMs) - 1), pairs);
  }

  put(index: number, pairs: HeatColumn): void {
    while (this.columns.length <= index) {
      this.columns.push(new Map());
      this.stamps.push(0);
    }
    if (pairs.length === 0) return;
    const column = this.columns[index]!;
    for (const [bucket, count] of pairs) {
      const sum = (column.get(bucket) ?? 0) + count;
      column.set(bucket, sum);
      this.most = Math.max(this.most, sum);
      this.low = Math.min(this.low, bucket);
      this.high = Math.max(this.high, bucket);
    }
    this.stamps[index] = this.version += 1;
  }

  #fold(): void {
    const old = this.columns;
    this.columnMs *= 2;
    this.columns = [];
    this.stamps = [];
    this.folds += 1;
    old.forEach((column, i) => this.put(Math.floor(i / 2), [...column]));
  }

  /** The column at a time, if there is one. */
  indexAt(t: number): number | null {
    const i = Math.floor((t - this.startMs) / this.columnMs);
    return i >= 0 && i < this.columns.length ? i : null;
  }

  total(index: number): number {
    let sum = 0;
    for (const n of this.columns[index]?.values() ?? []) sum += n;
    return sum;
  }

  /** The counts as CSV, a line for each cell. */
  csv(): string {
    const lines = ['t_ms,seconds,from_ms,to_ms,requests'];
    this.columns.forEach((column, i) => {
      for (const [bucket, n] of [...column].sort(([a], [b]) => a - b))
        lines.push(
          [
            this.startMs + i * this.columnMs,
            this.columnMs / 1000,
            bucketFrom(bucket).toPrecision(6),
            bucketFrom(bucket + 1).toPrecision(6),
            n,
          ].join(','),
        );
    });
    return `${lines.join('\n')}\n`;
  }
}

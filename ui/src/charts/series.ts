// The time-series state behind the lanes: columns over one ascending time column. `null` is a gap, never a zero.

/** One column of values; `null` where there is no sample. */
export type Column = (number | null)[];

/** A stretch without samples between two samples. Times in milliseconds. */
export interface Gap {
  from: number;
  to: number;
}

/** Decoded binary columns as the backend delivers them; NaN is a gap. */
export interface RawColumns {
  names: string[];
  columns: ArrayLike<number>[];
  meta: unknown;
}

/** Longest time column kept; older samples are pruned first. */
export const MAX_POINTS = 12_000;

const value = (v: number | null | undefined): number | null => (v === null || v === undefined || Number.isNaN(v) ? null : v);

export class TimeSeries {
  /** Sample times, ascending, in milliseconds. */
  t: number[] = [];
  /** Time one history point stands for, in milliseconds; `1000` for raw samples. */
  stepMs: number;
  /** Counts up on every change, so that viewers can tell whether they are current. */
  version = 0;
  /** Whether a sample stands for the time from it to the next one, and lines go on to its end. */
  covers = false;
  /** Time of the newest history point; later ones came live, one a second. */
  historyEnd = -Infinity;
  #columns = new Map<string, Column>();
  /** Means of the history's points, where those stand for several seconds; beside the columns, row by row. */
  #means = new Map<string, Column>();

  constructor(stepMs = 1000) {
    this.stepMs = stepMs;
  }

  get ids(): string[] {
    return [...this.#columns.keys()];
  }

  column(id: string): Column | undefined {
    return this.#columns.get(id);
  }

  /** What adds up with other series: means where points stand for several seconds, of which the extremes do not. */
  mean(id: string): Column | undefined {
    return this.#means.get(id) ?? this.#columns.get(id);
  }

  /** Whether the series has at least one sample. */
  has(id: string): boolean {
    return this.#columns.get(id)?.some((v) => v !== null) ?? false;
  }

  clear(): void {
    this.t = [];
    this.#columns.clear();
    this.#means.clear();
    this.historyEnd = -Infinity;
    this.version += 1;
  }

  /**
   * Replaces what is held by history, keeping live samples newer than it. Columns are `t` and, per series, `<id>`, or
   * `<id>:min`, `<id>:max` and `<id>:mean` when a point stands for a whole bucket; then the extremes are kept as two points of
   * the bucket, and the mean beside both.
   */
  replace(raw: RawColumns): void {
    const at = raw.names.indexOf('t');
    const times = at < 0 ? [] : raw.columns[at]!;
    const meta = raw.meta as { step_ms?: number; raw?: boolean } | null;
    const pairs = raw.names.some((n) => n.endsWith(':min'));
    const step = meta?.step_ms ?? 1000;
    const t: number[] = [];
    for (let i = 0; i < times.length; i += 1) {
      t.push(times[i]!);
      if (pairs) t.push(times[i]! + step / 2);
    }
    const columns = new Map<string, Column>();
    const means = new Map<string, Column>();
    raw.names.forEach((name, c) => {
      if (c === at) return;
      const source = raw.columns[c]!;
      const [, id = name, part] = /^(.*):(min|max|mean)$/.exec(name) ?? [];
      const into = part === 'mean' ? means : columns;
      let column = into.get(id);
      if (!column) into.set(id, (column = new Array<number | null>(t.length).fill(null)));
      for (let i = 0; i < times.length; i += 1) {
        const v = value(source[i]);
        if (!pairs) column[i] = v;
        else if (part === 'min') column[2 * i] = v;
        else if (part === 'max') column[2 * i + 1] = v;
        else column[2 * i] = column[2 * i + 1] = v;
      }
    });
    const old = { t: this.t, columns: this.#columns };
    const end = t.length > 0 ? t[t.length - 1]! : -Infinity;
    this.t = t;
    this.#columns = columns;
    this.#means = means;
    this.stepMs = step;
    this.historyEnd = end;
    this.version += 1;
    let first = old.t.length;
    while (first > 0 && old.t[first - 1]! > end - 5000) first -= 1;
    for (let i = first; i < old.t.length; i += 1) {
      const sample: Record<string, Column> = {};
      for (const [id, column] of old.columns) if (column[i] !== null) sample[id] = [column[i]!];
      if (old.t[i]! > end || t.includes(old.t[i]!)) this.append([old.t[i]!], sample);
    }
  }

  /** Time of the oldest sample; `null` without any. */
  get first(): number | null {
    let row = this.t.length;
    for (const column of this.#columns.values()) {
      for (let i = 0; i < row; i += 1) if (column[i] !== null && column[i] !== undefined) row = i;
    }
    return this.t[row] ?? null;
  }

  /** Whether a series has at least `least` samples. */
  filled(id: string, least: number): boolean {
    const column = this.#columns.get(id) ?? [];
    let found = 0;
    for (let i = column.length - 1; i >= 0 && found < least; i -= 1) if (column[i] !== null) found += 1;
    return found >= least;
  }

  /** Adds live samples. A time that is known already is completed, an older unknown one is ignored. */
  append(times: readonly number[], series: Readonly<Record<string, readonly (number | null)[]>>): void {
    for (let k = 0; k < times.length; k += 1) {
      const time = times[k]!;
      let row = this.t.length;
      const last = row > 0 ? this.t[row - 1]! : -Infinity;
      if (time > last) {
        this.t.push(time);
        for (const column of [...this.#columns.values(), ...this.#means.values()]) column.push(null);
      } else {
        row = this.indexAt(time);
        if (row < 0 || this.t[row] !== time) continue;
      }
      for (const id in series) {
        let column = this.#columns.get(id);
        if (!column) {
          column = new Array<number | null>(this.t.length).fill(null);
          this.#columns.set(id, column);
        }
        const v = value(series[id]![k]);
        if (v === null) continue;
        column[row] = v;
        const mean = this.#means.get(id);
        if (mean) mean[row] = v;
      }
    }
    if (this.t.length > MAX_POINTS) this.#drop(this.t.length - MAX_POINTS);
    this.version += 1;
  }

  /** Forgets samples before `ms`; done in steps of a quarter so that it does not cost on every frame. */
  prune(ms: number): void {
    const first = this.indexAt(ms);
    if (first > 64 && first > this.t.length / 4) this.#drop(first);
  }

  #drop(count: number): void {
    this.t.splice(0, count);
    for (const column of [...this.#columns.values(), ...this.#means.values()]) column.splice(0, count);
  }

  /** Index of the last sample time not after `ms`, or -1. */
  indexAt(ms: number): number {
    let low = 0;
    let high = this.t.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.t[mid]! <= ms) low = mid + 1;
      else high = mid;
    }
    return low - 1;
  }

  /** Distance of two neighbouring samples from which a line is broken: one missing sample is enough. */
  get breakMs(): number {
    return this.stepMs >= 1000 ? 1.5 * this.stepMs : 2500;
  }

  /** Distance of two neighbouring samples from which the gap between them is hatched and named. */
  get gapMs(): number {
    return Math.max(2.5 * this.stepMs, 2500);
  }

  /** The value in force at `ms`: of the nearest sample no further than one step away, else `null`; `mean` as in {@link mean}. */
  valueAt(id: string, ms: number, mean = false): number | null {
    const column = mean ? this.mean(id) : this.#columns.get(id);
    if (!column) return null;
    const i = this.indexAt(ms);
    const reach = Math.max(this.stepMs, 1000) * 1.5;
    let best: number | null = null;
    let distance = Infinity;
    for (let k = Math.max(0, i - 1); k <= i + 2 && k < this.t.length; k += 1) {
      const d = Math.abs(this.t[k]! - ms);
      if (column[k] !== null && d <= reach && d < distance) {
        best = column[k]!;
        distance = d;
      }
    }
    return best;
  }

  /** The newest sample of a series. */
  last(id: string): { t: number; value: number } | null {
    const column = this.#columns.get(id);
    if (!column) return null;
    for (let i = column.length - 1; i >= 0; i -= 1) {
      const v = column[i];
      if (v !== null && v !== undefined) return { t: this.t[i]!, value: v };
    }
    return null;
  }

  /** Stretches inside the samples of `ids` in which none of them has one. */
  gaps(ids: readonly string[], from: number, to: number): Gap[] {
    const columns = ids.map((id) => this.#columns.get(id)).filter((c) => c !== undefined);
    const found: Gap[] = [];
    if (columns.length === 0) return found;
    let previous: number | null = null;
    for (let i = 0; i < this.t.length; i += 1) {
      if (!columns.some((c) => c[i] !== null)) continue;
      const time = this.t[i]!;
      if (previous !== null && time - previous > this.gapMs && time > from && previous < to) {
        found.push({ from: previous, to: time });
      }
      previous = time;
    }
    return found;
  }
}

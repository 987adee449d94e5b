// Geometry of lines, areas and bars, in canvas pixels. Broken at gaps, never joined over them.
import type { Column } from './series';

/** The part of `Path2D` that is used, so that the geometry can be tested without a canvas. */
export interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  rect(x: number, y: number, w: number, h: number): void;
  closePath(): void;
}

/** How times and values become pixels. */
export interface Frame {
  x: (t: number) => number;
  y: (v: number) => number;
  /** Distance of two samples from which the line is broken. */
  gapMs: number;
  /** How long a sample holds after its time, in milliseconds: the last one before a gap is drawn up to there. */
  holdMs?: number;
}

/** Runs of rows `[from, to)` without a gap. */
export function runs(t: readonly number[], column: Column, gapMs: number): [number, number][] {
  const found: [number, number][] = [];
  let start = -1;
  let previous = -Infinity;
  for (let i = 0; i < t.length; i += 1) {
    const v = column[i];
    if (v === null || v === undefined) continue;
    if (start >= 0 && t[i]! - previous > gapMs) {
      found.push([start, rowAfter(t, previous)]);
      start = i;
    }
    if (start < 0) start = i;
    previous = t[i]!;
  }
  if (start >= 0) found.push([start, rowAfter(t, previous)]);
  return found;
}

/** The row from which lines are drawn so that they are whole from `from` on: one that comes from up to `reach` before goes on there. */
export function firstRow(t: readonly number[], from: number, reach: number): number {
  return rowAfter(t, from - reach - 1e-6);
}

function rowAfter(t: readonly number[], time: number): number {
  let low = 0;
  let high = t.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (t[mid]! <= time) low = mid + 1;
    else high = mid;
  }
  return low;
}

/** Where the last sample of a run of rows ends; `null` where samples are of a moment. */
function holdEnd(t: readonly number[], column: Column, from: number, to: number, f: Frame): { x: number; y: number } | null {
  if (!f.holdMs) return null;
  for (let i = to - 1; i >= from; i -= 1) {
    const v = column[i];
    if (v !== null && v !== undefined) return { x: f.x(t[i]! + f.holdMs), y: f.y(v) };
  }
  return null;
}

/** A line through the samples; a lone sample becomes a short dash. */
export function line(pen: Pen, t: readonly number[], column: Column, f: Frame): void {
  for (const [from, to] of runs(t, column, f.gapMs)) {
    const end = holdEnd(t, column, from, to, f);
    if (to - from === 1) {
      const x = f.x(t[from]!);
      const y = f.y(column[from]!);
      pen.moveTo(end === null ? x - 1 : x, y);
      pen.lineTo(end?.x ?? x + 1, y);
      continue;
    }
    let first = true;
    for (let i = from; i < to; i += 1) {
      const v = column[i];
      if (v === null || v === undefined) continue;
      if (first) pen.moveTo(f.x(t[i]!), f.y(v));
      else pen.lineTo(f.x(t[i]!), f.y(v));
      first = false;
    }
    if (end) pen.lineTo(end.x, end.y);
  }
}

/** The area between a column and a lower one, or the axis' foot. */
export function area(pen: Pen, t: readonly number[], column: Column, lower: Column | null, foot: number, f: Frame): void {
  for (const [from, to] of runs(t, column, f.gapMs)) {
    const rows: number[] = [];
    for (let i = from; i < to; i += 1) if (column[i] !== null && column[i] !== undefined) rows.push(i);
    const end = lower ? null : holdEnd(t, column, from, to, f);
    if (rows.length < 2 && !end) continue;
    rows.forEach((i, k) => (k === 0 ? pen.moveTo(f.x(t[i]!), f.y(column[i]!)) : pen.lineTo(f.x(t[i]!), f.y(column[i]!))));
    if (end) pen.lineTo(end.x, end.y);
    if (lower) {
      for (let k = rows.length - 1; k >= 0; k -= 1) pen.lineTo(f.x(t[rows[k]!]!), f.y(lower[rows[k]!] ?? 0));
    } else {
      pen.lineTo(end?.x ?? f.x(t[rows[rows.length - 1]!]!), foot);
      pen.lineTo(f.x(t[rows[0]!]!), foot);
    }
    pen.closePath();
  }
}

/** A box on the canvas. */
export interface Box {
  x0: number;
  x1: number;
  y0: number;
  y1: number;
}

/** Says of a box whether what is drawn of the columns passes through it; `filled` ones cover everything below themselves. */
export function covering(t: readonly number[], columns: readonly Column[], filled: boolean, f: Frame): (box: Box) => boolean {
  return ({ x0, x1, y0, y1 }) =>
    columns.some((column) =>
      runs(t, column, f.gapMs).some(([from, to]) => {
        let before: { x: number; y: number } | null = null;
        for (let i = from; i < to; i += 1) {
          const v = column[i];
          if (v === null || v === undefined) continue;
          const here: { x: number; y: number } = { x: f.x(t[i]!), y: f.y(v) };
          const start: { x: number; y: number } = before ?? here;
          before = here;
          if (here.x < x0 || start.x > x1) continue;
          // The part of the piece that is over the box.
          const at = (x: number): number =>
            here.x === start.x ? here.y : start.y + ((here.y - start.y) * (x - start.x)) / (here.x - start.x);
          if (through(at(Math.max(start.x, x0)), at(Math.min(here.x, x1)), y0, y1, filled)) return true;
        }
        return false;
      }),
    );
}

/** Whether a piece from one height to another meets those between `y0` and `y1`; what is filled reaches down to the foot. */
const through = (a: number, b: number, y0: number, y1: number, filled: boolean): boolean =>
  Math.min(a, b) <= y1 && (filled || Math.max(a, b) >= y0);

/** One bar for each sample above 0, at least one pixel high and wide, on whole pixels. */
export function bars(pen: Pen, t: readonly number[], column: Column, foot: number, width: number, f: Frame): void {
  for (let i = 0; i < t.length; i += 1) {
    const v = column[i];
    if (v === null || v === undefined || v <= 0) continue;
    const y = Math.min(Math.round(f.y(v)), foot - 1);
    pen.rect(Math.round(f.x(t[i]!)), y, width, foot - y);
  }
}

// A heatmap's canvas: draws all of it when its axes change, and otherwise only the columns that did.
import { bucketAt, heatLabels, level, quantile, rampTop, rowsFor, type Heat, type Rows } from './heat';
import { palette, type Colour } from './palette';
import type { ChartGroup } from './group';
import { gridTimes } from './ticks';

const RAMP: readonly Colour[] = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'h7', 'h8'];
/** Room above the rows, in CSS pixels. */
export const HEAT_TOP = 4;

export interface HeatStretch {
  from: number;
  to: number;
}

export class HeatPlot {
  rows: Rows = { low: 0, count: 1, px: 4 };
  /** Count at the end of the ramp. */
  top = 2;
  readonly #canvas: HTMLCanvasElement;
  readonly #group: ChartGroup;
  readonly #height: number;
  #drawn = '';
  #version = 0;

  constructor(canvas: HTMLCanvasElement, group: ChartGroup, height: number) {
    this.#canvas = canvas;
    this.#group = group;
    this.#height = height;
  }

  /** Top edge of a bucket position, in CSS pixels. */
  y(position: number): number {
    return this.#height - (position - this.rows.low) * this.rows.px;
  }

  /** The bucket at a height. */
  bucketAt(y: number): number {
    return this.rows.low + Math.floor((this.#height - y) / this.rows.px);
  }

  /** Rows for the buckets seen so far; kept while they hold them. */
  #fit(heat: Heat): void {
    this.top = rampTop(heat.most);
    if (heat.most === 0) {
      this.rows = rowsFor(bucketAt(1) | 0, (bucketAt(100) | 0) + 1, this.#height - HEAT_TOP);
      return;
    }
    const { low, count } = this.rows;
    const holds = heat.low >= low && heat.high < low + count && heat.high - heat.low >= count / 3;
    if (!holds || this.#drawn === '') this.rows = rowsFor(heat.low - 1, heat.high + 1, this.#height - HEAT_TOP);
  }

  /** Says whether the axes changed. */
  draw(heat: Heat, uncounted: readonly HeatStretch[], whole: boolean): boolean {
    this.#fit(heat);
    const { from, to } = this.#group.range;
    const width = Math.max(1, this.#group.width);
    const dpr = devicePixelRatio || 1;
    const key = [from, to, width, dpr, this.rows.low, this.rows.px, this.top, heat.folds, uncounted.length].join();
    const all = whole || key !== this.#drawn;
    const ctx = this.#canvas.getContext('2d');
    if (!ctx) return all;
    if (all) {
      this.#canvas.width = Math.round(width * dpr);
      this.#canvas.height = Math.round(this.#height * dpr);
      this.#under(ctx, from, to, width, dpr, uncounted);
    }
    this.#drawn = key;
    const scale = (width * dpr) / (to - from);
    const first = Math.max(0, Math.floor((from - heat.startMs) / heat.columnMs));
    const last = Math.min(heat.columns.length - 1, Math.ceil((to - heat.startMs) / heat.columnMs));
    for (let i = first; i <= last; i += 1) {
      if (all || heat.stamps[i]! > this.#version) this.#column(ctx, heat, i, from, scale, dpr, uncounted);
    }
    this.#version = heat.version;
    return all;
  }

  #under(ctx: CanvasRenderingContext2D, from: number, to: number, width: number, dpr: number, uncounted: readonly HeatStretch[]): void {
    const { colours } = palette();
    const { height } = ctx.canvas;
    const line = Math.max(1, Math.round(dpr));
    const x = (t: number): number => Math.round(((t - from) / (to - from)) * width * dpr);
    ctx.fillStyle = colours['grid-c'];
    for (const t of gridTimes(from, to, width)) ctx.fillRect(x(t), 0, line, height);
    for (const v of heatLabels(this.rows)) ctx.fillRect(0, Math.round(this.y(bucketAt(v)) * dpr), ctx.canvas.width, line);
    for (const part of uncounted) this.#hatch(ctx, x(part.from), x(part.to), dpr);
  }

  /** Stripes between two edges, in canvas pixels; the same wherever they begin. */
  #hatch(ctx: CanvasRenderingContext2D, x0: number, x1: number, dpr: number): void {
    const { height } = ctx.canvas;
    const step = Math.round(5 * dpr);
    ctx.save();
    ctx.strokeStyle = palette().colours.gap;
    ctx.lineWidth = 1.5 * dpr;
    ctx.beginPath();
    ctx.rect(x0, 0, x1 - x0, height);
    ctx.clip();
    ctx.beginPath();
    for (let at = Math.floor((x0 - height) / step) * step; at < x1; at += step) {
      ctx.moveTo(at, height);
      ctx.lineTo(at + height, 0);
    }
    ctx.stroke();
    ctx.restore();
  }

  #column(
    ctx: CanvasRenderingContext2D,
    heat: Heat,
    i: number,
    from: number,
    scale: number,
    dpr: number,
    uncounted: readonly HeatStretch[],
  ): void {
    const { colours } = palette();
    const t = heat.startMs + i * heat.columnMs;
    const x0 = Math.round((t - from) * scale);
    const wide = Math.max(1, Math.round((t + heat.columnMs - from) * scale) - x0);
    const column = heat.columns[i]!;
    if (column.size === 0) return;
    const light = uncounted.some((u) => t >= u.from - 1 && t < u.to - 1);
    const row = Math.max(1, Math.round(this.rows.px * dpr));
    const y = (position: number): number => Math.round(this.y(position) * dpr);
    // The line of a p99 moves, so what was drawn of this column goes first.
    ctx.clearRect(x0, 0, wide, ctx.canvas.height);
    ctx.fillStyle = colours['grid-c'];
    for (const v of heatLabels(this.rows)) ctx.fillRect(x0, y(bucketAt(v)), wide, Math.max(1, Math.round(dpr)));
    if (light) this.#hatch(ctx, x0, x0 + wide, dpr);
    ctx.globalAlpha = light ? 0.45 : 1;
    for (const [bucket, count] of column) {
      const step = level(count, this.top);
      if (step === 0) continue;
      ctx.fillStyle = colours[RAMP[step - 1]!];
      ctx.fillRect(x0, y(bucket + 1), wide, Math.max(row, y(bucket) - y(bucket + 1)));
    }
    ctx.globalAlpha = 1;
    const p99 = light ? null : quantile(column, 0.99);
    if (p99 === null) return;
    ctx.fillStyle = colours['text-1'];
    ctx.fillRect(x0, y(bucketAt(p99)), wide, Math.max(1, Math.round(dpr)));
  }
}

// One lane's canvas: a uPlot instance with the project's own marks for gaps, thresholds and references.
import './locale';
import uPlot from 'uplot';
import type { ChartGroup } from './group';
import type { LaneSpec, Mark, Stale } from './lane';
import { faded, palette } from './palette';
import * as paths from './paths';
import { axisLabels, domain, type Domain } from './scale';
import type { Column, Gap, TimeSeries } from './series';
import { extent, stack } from './stack';
import { duration } from '../kit/figures';
import { gridTimes } from './ticks';

/** Room above the highest value, so that a line at the top is whole, in CSS pixels. */
export const TOP_PAD = 6;
const HATCH_STEP = 5;
/** How late a sample may still arrive and be drawn without a whole redraw, in milliseconds. */
const LATE_MS = 6000;
/** Whole redraws happen at least every so many draws. */
const FULL_EVERY = 30;

interface Drawn {
  range: { from: number; to: number };
  domain: Domain;
  history: number;
  gap: number;
  /** Time of the newest data then. */
  now: number;
  spec: LaneSpec;
  count: number;
}

export class LanePlot {
  /** Ends of the value axis after the last draw. */
  domain: Domain = { min: 0, max: 1, log: false };
  /** Gaps in the shown range after the last draw. */
  gaps: Gap[] = [];
  #u: uPlot;
  #group: ChartGroup;
  #data: TimeSeries;
  #spec: LaneSpec;
  #current: () => LaneSpec;
  #stale: Stale | null = null;
  /** Whether `domain` comes from data and may be kept. */
  #fitted = false;
  /** What the canvas shows, if it may be reused. */
  #drawn: Drawn | null = null;
  #labelGaps: boolean;
  #sums: Column[] = [];
  #t: number[] = [];
  #range = { from: 0, to: 1 };

  constructor(host: HTMLElement, current: () => LaneSpec, group: ChartGroup, data: TimeSeries, width: number, labelGaps: boolean) {
    const spec = current();
    this.#spec = spec;
    this.#current = current;
    this.#group = group;
    this.#data = data;
    this.#labelGaps = labelGaps;
    const series: uPlot.Series[] = spec.series.map(() => ({ points: { show: false }, paths: () => null }));
    this.#u = new uPlot(
      {
        width: Math.max(1, width),
        height: spec.height,
        padding: [TOP_PAD, 0, 1, 0],
        pxAlign: 0,
        legend: { show: false },
        cursor: { show: false },
        select: { show: false, left: 0, top: 0, width: 0, height: 0 },
        axes: [{ show: false }, { show: false }],
        scales: {
          x: { time: false, auto: false, range: () => [this.#range.from, this.#range.to] },
          y: {
            distr: spec.scale.kind === 'log' ? 3 : 1,
            range: () => [this.domain.min, this.domain.max],
          },
        },
        series: [{}, ...series],
        hooks: {
          drawClear: [(u) => this.#under(u)],
          draw: [
            (u) => {
              this.#lines(u, this.#t, this.#sums);
              this.#over(u);
            },
          ],
        },
      },
      undefined,
      host,
    );
  }

  /** The linear maps from times and values to canvas pixels. */
  #frame(u: uPlot): paths.Frame & { foot: number } {
    const { left, top, width, height } = u.bbox;
    const { from, to } = this.#range;
    const { min, max, log } = this.domain;
    const kx = width / (to - from);
    const a = log ? Math.log10(min) : min;
    const ky = height / ((log ? Math.log10(max) : max) - a || 1);
    const foot = top + height;
    return {
      x: (t) => left + (t - from) * kx,
      y: (v) => foot - ((log ? Math.log10(Math.max(v, min)) : v) - a) * ky,
      gapMs: this.#data.breakMs,
      holdMs: this.#data.covers ? this.#data.stepMs : 0,
      foot,
    };
  }

  /** Areas, lines and bars of the given rows. Bevelled joins: at this width they look round and cost half. */
  #lines(u: uPlot, t: readonly number[], sums: readonly Column[]): void {
    const { ctx } = u;
    const { colours, stroke } = palette();
    const { kind, series } = this.#spec;
    const f = this.#frame(u);
    const dpr = u.bbox.width / Math.max(1, u.width);
    ctx.save();
    ctx.globalAlpha = this.#stale ? 0.5 : 1;
    ctx.lineJoin = 'bevel';
    ctx.lineWidth = stroke * dpr;
    sums.forEach((column, i) => {
      const name = series[i]!.colour;
      const colour = colours[name];
      if (kind === 'bars') {
        const step = (this.#data.stepMs / (this.#range.to - this.#range.from)) * u.bbox.width;
        const pen = new Path2D();
        paths.bars(pen, t, column, f.foot, Math.max(1, step >= 4 ? Math.floor(step) - 1 : Math.floor(step)), f);
        ctx.fillStyle = colour;
        ctx.fill(pen);
        return;
      }
      if (kind === 'stack' || (kind === 'fill' && this.domain.min === 0 && !this.domain.log)) {
        const pen = new Path2D();
        paths.area(pen, t, column, kind === 'stack' ? (sums[i - 1] ?? null) : null, f.foot, f);
        ctx.fillStyle = kind === 'stack' ? faded(colour, 0.34) : name === 'ink' ? colours['ink-fill'] : faded(colour, 0.12);
        ctx.fill(pen);
      }
      const pen = new Path2D();
      paths.line(pen, t, column, f);
      ctx.strokeStyle = colour;
      ctx.stroke(pen);
    });
    ctx.restore();
  }

  /** Grid and hatches, under the data. */
  #under(u: uPlot): void {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const { colours } = palette();
    const f = this.#frame(u);
    const dpr = width / Math.max(1, u.width);
    const bottom = top + height;
    ctx.save();
    for (const part of this.#spec.shaded ?? []) {
      ctx.fillStyle = faded(colours['arm-b'], 0.1);
      ctx.fillRect(Math.round(f.x(part.from)), 0, Math.max(1, Math.round(f.x(part.to)) - Math.round(f.x(part.from))), bottom);
    }
    ctx.fillStyle = colours['grid-c'];
    for (const t of gridTimes(this.#range.from, this.#range.to, u.width)) {
      ctx.fillRect(Math.round(f.x(t)), 0, Math.max(1, Math.round(dpr)), bottom);
    }
    if (this.#spec.empty !== undefined) {
      ctx.fillStyle = colours['rule-c'];
      const y = bottom - Math.round(4 * dpr);
      for (let x = left; x < left + width; x += 5 * dpr)
        ctx.fillRect(Math.round(x), y, Math.max(1, Math.round(dpr)), Math.max(1, Math.round(dpr)));
      ctx.restore();
      return;
    }
    for (const label of axisLabels(this.domain, this.#spec.unit, this.#spec.height)) {
      if (label.value === this.domain.min && !this.domain.log) continue;
      ctx.fillRect(left, Math.round(f.y(label.value)), width, Math.max(1, Math.round(dpr)));
    }
    for (const gap of this.gaps) this.#hatch(ctx, f.x(gap.from), f.x(gap.to), 0, bottom, dpr);
    for (const part of this.#spec.hatched ?? []) {
      this.#hatch(ctx, f.x(part.from), f.x(part.to), 0, bottom, dpr);
      if (!this.#labelGaps) continue;
      ctx.font = `400 ${Math.round(11 * dpr)}px ${palette().font}`;
      const x = Math.max(left, f.x(part.from)) + 6 * dpr;
      const tall = 14 * dpr;
      // At the foot, unless the words of a reference stand there.
      const mark = this.#spec.reference?.at === 'plot' ? f.y(this.#spec.reference.value) : 0;
      const y = mark > bottom / 2 ? top + 2 * dpr : bottom - tall - 6 * dpr;
      ctx.fillStyle = colours.sheet;
      ctx.fillRect(x - 3 * dpr, y, ctx.measureText(part.label).width + 6 * dpr, tall);
      ctx.fillStyle = colours['text-2'];
      ctx.textBaseline = 'middle';
      ctx.fillText(part.label, x, y + tall / 2);
    }
    if (this.#stale) this.#hatch(ctx, f.x(this.#stale.since), f.x(this.#range.to), 0, bottom, dpr);
    ctx.restore();
  }

  #hatch(ctx: CanvasRenderingContext2D, from: number, to: number, top: number, bottom: number, dpr: number): void {
    const x0 = Math.max(0, Math.round(from) + 1);
    const x1 = Math.min(ctx.canvas.width, Math.round(to) - 1);
    if (x1 - x0 < 1) return;
    ctx.save();
    ctx.beginPath();
    ctx.rect(x0, top, x1 - x0, bottom - top);
    ctx.clip();
    ctx.beginPath();
    ctx.strokeStyle = palette().colours.gap;
    ctx.lineWidth = 1.5 * dpr;
    const step = HATCH_STEP * dpr;
    const h = bottom - top;
    for (let x = Math.floor((x0 - h) / step) * step - (this.#phase(dpr) % step); x < x1 + h; x += step) {
      ctx.moveTo(x, bottom);
      ctx.lineTo(x + h, top);
    }
    ctx.stroke();
    ctx.restore();
  }

  /** Canvas pixels since the epoch at the left edge: patterns are anchored to time, so that they can be moved with it. */
  #phase(dpr: number): number {
    const pixel = (this.#range.to - this.#range.from) / Math.max(1, this.#u.width);
    return Math.round(this.#range.from / pixel) * dpr;
  }

  /** Marks and words, over the data. */
  #over(u: uPlot): void {
    const { ctx } = u;
    const { colours, font } = palette();
    const f = this.#frame(u);
    const dpr = u.bbox.width / Math.max(1, u.width);
    const right = u.bbox.left + u.bbox.width;
    const mark = (m: Mark | undefined, colour: string, dash: number[]): void => {
      if (!m || m.value > this.domain.max * 1.001 || m.value < this.domain.min) return;
      const y = Math.round(f.y(m.value)) + 0.5;
      ctx.beginPath();
      ctx.strokeStyle = colour;
      ctx.lineWidth = Math.max(1, Math.round(dpr));
      ctx.setLineDash(dash.map((d) => d * dpr));
      ctx.lineDashOffset = this.#phase(dpr) % dash.reduce((sum, d) => sum + d * dpr, 0);
      ctx.moveTo(u.bbox.left, y);
      ctx.lineTo(right, y);
      ctx.stroke();
      if (m.at === 'plot') {
        const width = ctx.measureText(m.label).width;
        // At the other end where a hatch and its words begin the plot.
        const begun = this.#spec.hatched?.some((h) => f.x(h.from) < u.bbox.left + width && f.x(h.to) > u.bbox.left);
        ctx.fillStyle = colour;
        ctx.textBaseline = 'bottom';
        ctx.fillText(m.label, begun ? right - width - 6 * dpr : u.bbox.left + 6 * dpr, y - 2 * dpr);
      }
    };
    ctx.save();
    ctx.font = `400 ${Math.round(12 * dpr)}px ${font}`;
    mark(this.#spec.threshold, colours.threshold, [4, 3]);
    mark(this.#spec.reference, colours['text-3'], [1, 3]);
    ctx.setLineDash([]);
    this.#breach(ctx, f, dpr);
    if (this.#labelGaps) {
      ctx.font = `400 ${Math.round(11 * dpr)}px ${font}`;
      ctx.fillStyle = colours['text-3'];
      ctx.textBaseline = 'top';
      let taken = -Infinity;
      const [y, tall] = [(TOP_PAD + 2) * dpr, 12 * dpr];
      const covered = paths.covering(this.#t, this.#sums, this.#spec.kind !== 'line', f);
      for (const gap of this.gaps) {
        const text = `no samples for ${duration((gap.to - gap.from) / 1000)}`;
        const width = ctx.measureText(text).width;
        const [from, to] = [f.x(Math.max(gap.from, this.#range.from)), f.x(Math.min(gap.to, this.#range.to))];
        const inside = to - from > width + 12 * dpr;
        // Beside the gap where nothing is drawn, or within it; never over data. The band says in words what has no place here.
        const places = [to + 6 * dpr, from - width - 6 * dpr].filter((x) => !covered({ x0: x, x1: x + width, y0: y, y1: y + tall }));
        if (inside) places.push((from + to - width) / 2);
        const x = places.find((at) => at >= Math.max(0, taken) && at + width <= right);
        if (x === undefined) continue;
        if (x > from && x < to) {
          ctx.fillStyle = colours.sheet;
          ctx.fillRect(x - 3 * dpr, y - dpr, width + 6 * dpr, tall + 2 * dpr);
          ctx.fillStyle = colours['text-3'];
        }
        ctx.fillText(text, x, y);
        taken = x + width + 8 * dpr;
      }
    }
    ctx.restore();
  }

  /** A bar on the top edge for as long as the topmost series was over the threshold. */
  #breach(ctx: CanvasRenderingContext2D, f: paths.Frame, dpr: number): void {
    const limit = this.#spec.threshold?.value;
    const column = this.#sums[this.#sums.length - 1];
    if (limit === undefined || !column) return;
    ctx.fillStyle = palette().colours.threshold;
    let start: number | null = null;
    let last = 0;
    const end = (): void => {
      if (start === null) return;
      const x = Math.round(f.x(start));
      ctx.fillRect(x, 0, Math.max(1, Math.round(f.x(last)) - x), Math.round(2 * dpr));
      start = null;
    };
    for (let i = 0; i < column.length; i += 1) {
      const v = column[i];
      if (v === null || v === undefined) continue;
      if (v > limit) {
        start ??= this.#t[i]!;
        last = this.#t[i]! + this.#data.stepMs;
      } else end();
    }
    end();
  }

  /** Reads the data in the group's range again and draws; `partial` when only samples were added. */
  draw(stale: Stale | null, partial = false): void {
    this.#stale = stale;
    this.#spec = this.#current();
    const { from, to } = this.#group.range;
    this.#range = { from, to };
    const data = this.#data;
    const first = Math.max(0, data.indexAt(from) - 1);
    const end = Math.min(data.t.length, data.indexAt(to) + 2);
    this.#t = data.t.slice(first, end);
    const stacked = this.#spec.kind === 'stack';
    const columns = this.#spec.series.map(
      (s) => (stacked ? data.mean(s.id) : data.column(s.id))?.slice(first, end) ?? new Array<number | null>(this.#t.length).fill(null),
    );
    this.#sums = stacked ? stack(columns) : columns;
    const { low, high } = extent(this.#sums, 0, this.#t.length);
    this.domain = domain(this.#spec.scale, this.#spec.unit, low, high, this.#fitted ? this.domain : undefined);
    this.#fitted = high !== null;
    const ids = this.#spec.series.map((s) => s.id);
    this.gaps = data.gaps(ids, from, to).filter((g) => Math.min(g.to, to) - Math.max(g.from, from) > data.gapMs / 2);
    const moved = this.#movable(partial);
    if (moved !== null) this.#move(moved, this.#drawn!.now - LATE_MS);
    else this.#u.setData([this.#t, ...this.#sums] as uPlot.AlignedData, true);
    this.#drawn = {
      range: this.#range,
      domain: this.domain,
      history: data.historyEnd,
      gap: this.gaps[this.gaps.length - 1]?.to ?? 0,
      now: this.#group.now,
      spec: this.#spec,
      count: moved === null ? 0 : this.#drawn!.count + 1,
    };
  }

  /** By how many canvas pixels the last picture may be moved left instead of being drawn again; `null` when it may not. */
  #movable(partial: boolean): number | null {
    const last = this.#drawn;
    const { from, to } = this.#range;
    if (!partial || !last || this.#stale || last.count > FULL_EVERY || last.spec !== this.#spec || last.history !== this.#data.historyEnd)
      return null;
    if (last.domain.min !== this.domain.min || last.domain.max !== this.domain.max) return null;
    if (last.gap !== (this.gaps[this.gaps.length - 1]?.to ?? 0) || Math.abs(to - from - (last.range.to - last.range.from)) > 0.5)
      return null;
    const pixels = ((from - last.range.from) / (to - from)) * this.#u.bbox.width;
    const whole = Math.round(pixels);
    // Words and hatches stand where they are in the plot: they cannot be moved, but a picture that stays may keep them.
    const words = this.#spec.threshold?.at === 'plot' || this.#spec.reference?.at === 'plot' || this.#spec.hatched?.length;
    if (words && whole !== 0) return null;
    return Math.abs(pixels - whole) < 0.01 && whole >= 0 && whole < this.#u.bbox.width / 4 ? whole : null;
  }

  /** Moves the picture left and draws it again from `since` on, where samples may have arrived. */
  #move(pixels: number, since: number): void {
    const u = this.#u;
    const { ctx } = u;
    const { width, height } = ctx.canvas;
    const pixel = (this.#range.to - this.#range.from) / Math.max(1, u.bbox.width);
    const strip = Math.min(width, Math.max(pixels, Math.ceil((this.#range.to - since) / pixel)) + 4);
    if (pixels === 0 && since > this.#range.to) return;
    ctx.save();
    if (pixels > 0) {
      ctx.globalCompositeOperation = 'copy';
      ctx.drawImage(ctx.canvas, -pixels, 0);
      ctx.globalCompositeOperation = 'source-over';
    }
    ctx.beginPath();
    ctx.rect(width - strip, 0, strip, height);
    ctx.clip();
    ctx.clearRect(width - strip, 0, strip, height);
    this.#under(u);
    const row = paths.firstRow(this.#t, this.#range.to - strip * pixel, Math.max(3 * this.#data.stepMs, this.#data.breakMs));
    this.#lines(
      u,
      this.#t.slice(row),
      this.#sums.map((c) => c.slice(row)),
    );
    this.#over(u);
    ctx.restore();
  }

  resize(width: number): void {
    if (width > 0 && width !== this.#u.width) {
      this.#drawn = null;
      this.#u.setSize({ width, height: this.#spec.height });
    }
  }

  destroy(): void {
    this.#u.destroy();
  }
}

// The percentile curve: x is log 1/(1-q), y log time; hatched from where there are too few samples.
import './locale';
import uPlot from 'uplot';
import { onTheme, palette } from './palette';
import { curveEnd, curveScale, curveTicks, nines, reliable, type CurvePoint } from './curve-scale';

export class CurvePlot {
  #u: uPlot;
  #off: () => void;

  constructor(host: HTMLElement, points: readonly CurvePoint[], n: number, width: number, height: number) {
    const scale = curveScale(points);
    const end = curveEnd(n);
    const shown = points.filter((p) => p.ms > 0 && nines(p.q) <= end);
    const log = Math.log10;
    this.#u = new uPlot(
      {
        width,
        height,
        padding: [4, 0, 1, 0],
        legend: { show: false },
        cursor: { show: false },
        axes: [{ show: false }, { show: false }],
        scales: {
          x: { time: false, auto: false, range: () => [0, end] },
          y: { range: () => [log(scale.min), log(scale.max)] },
        },
        series: [{}, { stroke: () => palette().colours.ink, width: palette().stroke, points: { show: false } }],
        hooks: {
          drawClear: [
            (u) => {
              const { ctx, bbox } = u;
              const { colours } = palette();
              const dpr = bbox.width / u.width;
              ctx.save();
              ctx.fillStyle = colours['grid-c'];
              for (const t of curveTicks(end)) ctx.fillRect(Math.round(u.valToPos(t.x, 'x', true)), bbox.top, dpr, bbox.height);
              for (const v of scale.labels) ctx.fillRect(bbox.left, Math.round(u.valToPos(log(v), 'y', true)), bbox.width, dpr);
              const x0 = u.valToPos(Math.min(end, reliable(n)), 'x', true);
              ctx.beginPath();
              ctx.rect(x0, bbox.top, bbox.left + bbox.width - x0, bbox.height);
              ctx.clip();
              ctx.beginPath();
              ctx.strokeStyle = colours.gap;
              ctx.lineWidth = 1.5 * dpr;
              for (let x = x0 - bbox.height; x < bbox.left + bbox.width; x += 5 * dpr) {
                ctx.moveTo(x, bbox.top + bbox.height);
                ctx.lineTo(x + bbox.height, bbox.top);
              }
              ctx.stroke();
              ctx.restore();
            },
          ],
        },
      },
      [shown.map((p) => nines(p.q)), shown.map((p) => log(p.ms))],
      host,
    );
    this.#off = onTheme(() => this.#u.redraw(true));
  }

  resize(width: number, height: number): void {
    if (width > 0 && (width !== this.#u.width || height !== this.#u.height)) this.#u.setSize({ width, height });
  }

  destroy(): void {
    this.#off();
    this.#u.destroy();
  }
}

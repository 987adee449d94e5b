// Value axes: their ends and their few labels.
import { axisLabel, type Unit } from '../kit/figures';

export interface Domain {
  min: number;
  max: number;
  log: boolean;
}

export interface AxisLabel {
  value: number;
  text: string;
}

export interface ScaleSpec {
  /** `zero` starts at 0; `near` starts close below the data when that is far from 0; `log` is logarithmic. */
  kind: 'zero' | 'near' | 'log';
  /** Lowest upper end, so that noise near zero does not fill the lane. */
  atLeast?: number;
  /** Upper end that is never exceeded, such as 1 for ratios; data may not go over it. */
  cap?: number;
  /** Upper end for a limit, such as all memory. */
  upTo?: number;
  /** Share of `upTo` that the data must reach for the axis to end there; always by default. */
  from?: number;
}

const MANTISSAS = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** The smallest round number not below `value`; round in KiB, MiB … for bytes. */
export function niceCeil(value: number, unit: Unit): number {
  if (!(value > 0)) return 1;
  let factor = 1;
  if (unit === 'bytes') while (value / factor >= 1024) factor *= 1024;
  const scaled = value / factor;
  const power = 10 ** Math.floor(Math.log10(scaled));
  const mantissa = MANTISSAS.find((m) => m * power >= scaled * 0.999999) ?? 10;
  const nice = mantissa * power;
  return (unit === 'count' && nice < 4 ? Math.ceil(nice) : Number(nice.toPrecision(6))) * factor;
}

/**
 * Ends of a value axis for data between `low` and `high` (both `null` without data). `previous` is kept while the data
 * fit into it and use at least 40 % of it, so that the axis does not jump with every sample.
 */
export function domain(spec: ScaleSpec, unit: Unit, low: number | null, high: number | null, previous?: Domain): Domain {
  if (spec.kind === 'log') return logDomain(low, high, spec, previous);
  const limit = spec.upTo !== undefined && (high ?? 0) >= spec.upTo * (spec.from ?? 0) ? spec.upTo : 0;
  const top = Math.max(high ?? 0, limit, spec.atLeast ?? 0);
  const cap = spec.cap;
  const floor = spec.kind === 'near' ? nearFloor(low, cap ?? high, unit) : 0;
  if (spec.kind === 'near' && floor > 0) {
    const max = cap ?? niceCeil(Math.max(high ?? 0, limit), unit);
    if (previous && !previous.log && previous.max === max && previous.min <= floor && previous.min >= floor - (max - floor)) {
      return previous;
    }
    return { min: floor, max, log: false };
  }
  if (cap !== undefined && (high === null || top > cap * 0.5)) return { min: 0, max: cap, log: false };
  if (limit > 0 && top <= limit) return { min: 0, max: limit, log: false };
  const need = top > 0 ? top : 1;
  if (previous && !previous.log && previous.min === 0 && need <= previous.max && need >= 0.4 * previous.max) {
    return previous;
  }
  return { min: 0, max: Math.min(niceCeil(need * 1.08, unit), cap ?? Infinity), log: false };
}

function nearFloor(low: number | null, top: number | null, unit: Unit): number {
  if (low === null || top === null || !(top > 0) || low < 0.6 * top) return 0;
  const room = Math.max(top - low, top * 0.02) * 1.6;
  const grain = unit === 'ratio' ? (room > 0.08 ? 0.04 : 0.01) : niceCeil(room / 3, unit);
  return Math.max(0, Math.floor((top - room) / grain + 1e-9) * grain);
}

function logDomain(low: number | null, high: number | null, spec: ScaleSpec, previous?: Domain): Domain {
  const top = Math.max(high ?? 0, spec.upTo ?? 0, spec.atLeast ?? 0);
  const bottom = low !== null && low > 0 ? low : top / 100;
  if (!(top > 0)) return { min: 0.001, max: 1, log: true };
  const max = logUp(top * 1.05);
  let min = logDown(Math.min(bottom * 0.9, top / 10));
  if (min >= max) min = max / 10;
  if (previous?.log && top <= previous.max && bottom >= previous.min && max >= previous.max / 10 && min <= previous.min * 2.5) {
    return previous;
  }
  return { min, max, log: true };
}

const logUp = (v: number): number => {
  const power = 10 ** Math.floor(Math.log10(v) + 1e-9);
  return Number(([1, 2, 5, 10].find((m) => m * power >= v * 0.999999)! * power).toPrecision(6));
};
const logDown = (v: number): number => {
  const power = 10 ** Math.floor(Math.log10(v) + 1e-9);
  return Number((([5, 2, 1].find((m) => m * power <= v * 1.000001) ?? 1) * power).toPrecision(6));
};

/** Labelled values of an axis: two on low lanes, at most three, the unit on the top one only. */
export function axisLabels(d: Domain, unit: Unit, height: number, topText?: string): AxisLabel[] {
  if (d.log) {
    const values: number[] = [];
    for (let p = Math.ceil(Math.log10(d.min) - 1e-9); p <= Math.log10(d.max) + 1e-9; p += 1) {
      values.push(Number((10 ** p).toPrecision(6)));
    }
    // Two on low lanes: three would touch.
    if (height < 50 && values.length > 2) values.splice(1, values.length - 2);
    while (values.length > 3) values.splice(0, values.length, ...values.filter((_, i) => (values.length - 1 - i) % 2 === 0));
    const shown = values.length >= 2 ? values : [...new Set([d.min, ...values, d.max])];
    return shown.map((value) => ({ value, text: axisLabel(value, unit, d.max, true) }));
  }
  const labels: AxisLabel[] = [{ value: d.min, text: axisLabel(d.min, unit, d.max, false) }];
  if (height >= 50) {
    const middle = (d.min + d.max) / 2;
    const text = axisLabel(middle, unit, d.max, false);
    if (!(unit === 'count' && !Number.isInteger(middle)) && text.length <= 5) labels.push({ value: middle, text });
  }
  labels.push({ value: d.max, text: topText ?? axisLabel(d.max, unit, d.max, true) });
  return labels;
}

/** "axis from 88 %" when the axis does not start at 0. */
export function axisNote(d: Domain, unit: Unit): string | null {
  if (d.log) return 'log scale';
  return d.min > 0 ? `axis from ${axisLabel(d.min, unit, d.max, true)}` : null;
}

/** Share of the height, 0 at the bottom, at which `value` lies; clamped to the axis. */
export function position(d: Domain, value: number): number {
  const share = d.log
    ? (Math.log10(Math.max(value, d.min)) - Math.log10(d.min)) / (Math.log10(d.max) - Math.log10(d.min))
    : (value - d.min) / (d.max - d.min || 1);
  return Math.min(1, Math.max(0, share));
}

// Where times of statements stand on one log axis, now and predicted.
import type { StatementEffect } from '../../../backend/types';
import { significant } from '../../../kit/figures';

export interface Scale {
  /** Ends of the axis: powers of ten. */
  low: number;
  high: number;
  ticks: readonly number[];
  /** What its figures are: milliseconds, or times of what a statement takes now. */
  unit: 'ms' | 'times';
}

/** A ten-thousandth of the time is nothing. */
const LEAST = 1e-4;
/** The most powers of ten that an axis has: what is less stands at its end. */
const DECADES = 5;
/** The most marks that are labelled. */
const LABELS = 4;

export interface Point {
  now: number;
  predicted: number;
  low: number | null;
  high: number | null;
}

/** What is drawn of a statement: in milliseconds where they are known, else relative to now. */
export function pointOf(effect: StatementEffect, unit: Scale['unit']): Point | null {
  const times = (change: number): number => Math.max(LEAST, 1 + change);
  if (unit === 'times') return { now: 1, predicted: times(effect.change), low: times(effect.change_low), high: times(effect.change_high) };
  if (effect.now_ms === null || effect.predicted_ms === null) return null;
  return { now: effect.now_ms, predicted: effect.predicted_ms, low: effect.predicted_low_ms, high: effect.predicted_high_ms };
}

/** One axis for all statements. */
export function scaleOf(effects: readonly StatementEffect[]): Scale {
  const unit = effects.some((e) => e.now_ms !== null && e.predicted_ms !== null) ? 'ms' : 'times';
  const values = effects
    .flatMap((e) => Object.values(pointOf(e, unit) ?? {}) as (number | null)[])
    .filter((v): v is number => v !== null && v > 0);
  const all = values.length > 0 ? values : [1];
  const top = Math.ceil(Math.log10(Math.max(...all)) - 1e-9);
  const least = Math.max(Math.floor(Math.log10(Math.min(...all)) + 1e-9), top - DECADES);
  const most = Math.max(least + 1, top);
  const step = Math.ceil((most - least + 1) / LABELS);
  const ticks: number[] = [];
  for (let power = most; power >= least; power -= step) ticks.unshift(10 ** power);
  return { low: 10 ** least, high: 10 ** most, ticks, unit };
}

/** Where a value stands, 0 to 1. */
export const placeOf = (scale: Scale, value: number): number =>
  Math.min(1, Math.max(0, Math.log10(Math.max(value, scale.low) / scale.low) / Math.log10(scale.high / scale.low)));

/** The label of a mark. */
export const tickWord = (tick: number, scale: Scale): string => {
  const text = tick >= 1 ? String(tick) : significant(tick, 1);
  return scale.unit === 'times' ? `×${text}` : text;
};

// How the thresholds of a plan turned out, in words.
import { format, integer, significant } from '../../../charts/format';
import type { ThresholdResult } from '../types';

/** A figure of a threshold in its unit. */
export function figure(value: number | null, unit: string): string {
  if (value === null) return '–';
  if (unit === 'ms') return format(value, 'ms');
  if (unit === '%') return format(value / 100, 'ratio');
  if (unit === '/s') return format(value, 'per_second');
  return Number.isInteger(value) ? integer(value) : significant(value);
}

/** `2 of 3 hold`. */
export function counted(list: readonly ThresholdResult[]): string {
  const ok = list.filter((t) => t.ok).length;
  return ok === list.length ? (ok === 1 ? 'holds' : `all ${ok} hold`) : `${ok} of ${list.length} hold`;
}

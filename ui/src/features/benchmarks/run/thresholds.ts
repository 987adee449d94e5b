// How the thresholds of a plan turned out, in words.
import { format, integer, significant } from '../../../kit/figures';
import type { ThresholdResult } from '../types';

/** A figure of a threshold in its unit. */
export function figure(value: number | null, unit: string): string {
  if (value === null) return '–';
  if (unit === 'ms') return format(value, 'ms');
  if (unit === '%') return format(value / 100, 'ratio');
  if (unit === '/s') return format(value, 'per_second');
  return Number.isInteger(value) ? integer(value) : significant(value);
}

/** What was measured, as far as it is known. */
export const measured = (t: ThresholdResult): string => `${t.at_least ? 'at least ' : ''}${figure(t.actual, t.unit)}`;

/** How it turned out. */
export const outcome = (t: ThresholdResult): 'holds' | 'fails' | 'not judged' => (t.ok ? 'holds' : t.unjudged ? 'not judged' : 'fails');

/** `2 of 3 hold`. */
export function counted(list: readonly ThresholdResult[]): string {
  const ok = list.filter((t) => t.ok).length;
  const unjudged = list.filter((t) => t.unjudged).length;
  if (ok === list.length) return ok === 1 ? 'holds' : `all ${ok} hold`;
  return `${ok} of ${list.length} hold${unjudged > 0 ? `, ${unjudged} not judged` : ''}`;
}

// What the health of a target says in words.
import type { CheckState, HealthCheck, TargetHealth } from '../../backend/types';
import { DASH, format, integer } from '../figures';

/** Checks of an outcome. */
export const of = (health: TargetHealth | null, state: CheckState): HealthCheck[] =>
  (health?.checks ?? []).filter((c) => c.state === state);
/** Several with the irregular plural of what is checked. */
export const checks = (n: number): string => (n === 1 ? '1 check' : `${integer(n)} checks`);
/** Their titles. */
export const named = (all: readonly HealthCheck[]): string => all.map((c) => c.title).join(', ');

/** What a check is judged by, in words. */
export function limitOf(check: HealthCheck): string {
  const t = check.threshold;
  if (!t || !check.unit) return '';
  const unit = check.unit;
  const above = (name: string, limit: number | null): string[] => (limit === null ? [] : [`${name} above ${format(limit, unit)}`]);
  return [...above('warning', t.warning), ...above('failing', t.failing)].join(', ');
}
/** Its value; what is a state has none, and what is not known is a dash. */
export const valueOf = (check: HealthCheck): string =>
  check.unit ? format(check.value, check.unit) : check.state === 'unknown' ? DASH : '';

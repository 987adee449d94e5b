// What a search for the knee is asked: the objective and the length of its steps.
import { integer } from '../../../kit/figures';
import { parseSeconds } from '../form/load';

export interface KneeForm {
  slo: string;
  max: string;
  step: string;
  confirm: string;
}

export interface KneeAsked {
  slo: string;
  max_connections: number;
  step_s: number;
  confirm_s: number;
}

export type KneeErrors = Partial<Record<keyof KneeForm, string>>;

export const blankKnee = (): KneeForm => ({ slo: 'p99<50ms', max: '256', step: '10', confirm: '30' });

/** `p99<50ms`, `p99.9 <= 1.5 s`: the percentiles and units that a search knows. */
const OBJECTIVE = /^\s*p(50|90|95|99|99\.9)\s*<=?\s*(\d+(?:\.\d+)?)\s*(us|µs|ms|s)\s*$/;

/** The question, or what is wrong with which field. */
export function parseKnee(form: KneeForm): { asked: KneeAsked | null; errors: KneeErrors } {
  const errors: KneeErrors = {};
  const found = OBJECTIVE.exec(form.slo);
  if (!found || Number(found[2]) === 0)
    errors.slo = 'A percentile of the response time and its limit, such as p99<50ms (p50, p90, p95, p99 or p99.9)';
  const max = Number(form.max);
  if (!Number.isInteger(max) || max < 1 || max > 10_000) errors.max = `A whole number from 1 to ${integer(10_000)}`;
  const step = parseSeconds(form.step);
  if (!(step >= 0.1 && step <= 3600)) errors.step = 'From 100 ms to 1 h';
  const confirm = parseSeconds(form.confirm);
  if (!(confirm >= 0.1 && confirm <= 3600)) errors.confirm = 'From 100 ms to 1 h';
  if (Object.keys(errors).length > 0) return { asked: null, errors };
  return { asked: { slo: form.slo.trim(), max_connections: max, step_s: step, confirm_s: confirm }, errors };
}

/** About how many steps it takes at most: doublings, halvings of the last gap, and the confirmation. */
export function steps(max: number): number {
  const doublings = Math.ceil(Math.log2(Math.max(1, max))) + 1;
  return doublings + Math.max(1, Math.min(5, doublings - 2)) + 1;
}

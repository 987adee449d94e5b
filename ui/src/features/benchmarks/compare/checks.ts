// What a verdict rests on, as rows.
import { format, plural } from '../../../kit/figures';
import type { Run, StoredComparison } from '../types';

export interface Check {
  ok: boolean;
  text: string;
  value: string;
}

/** Lag of the schedule that is still none, in milliseconds. */
const LAG_MS = 1;

/** The grounds of a comparison, what fails first. */
export function checks(c: StoredComparison, runs: readonly Run[]): Check[] {
  const invalid = runs.filter((r) => !r.valid).length;
  const judged = runs.filter((r) => r.thresholds.length > 0);
  const failed = judged.filter((r) => r.thresholds.some((t) => !t.ok && !t.unjudged)).length;
  const lag = runs.flatMap((r) =>
    r.target_rate_per_s !== null && r.schedule_lag_ms && r.schedule_lag_ms.p99 !== null ? [r.schedule_lag_ms.p99] : [],
  );
  const worst = Math.max(0, ...lag);
  const busy = runs.flatMap((r) => (r.footing.generator_cpu_share === null ? [] : [r.footing.generator_cpu_share]));
  const all: (Check | false)[] = [
    c.runs_a.length + c.runs_b.length > 0 && {
      ok: invalid === 0,
      text: 'Every run valid',
      value: invalid === 0 ? plural(runs.length, 'run') : `${invalid} of ${runs.length} invalid`,
    },
    {
      ok: c.differences.length === 0,
      text: 'Same work and data',
      value: c.differences.length === 0 ? 'no difference' : `${c.differences.length} differ`,
    },
    { ok: !c.errors.suppresses, text: 'Errors equal', value: `${format(c.errors_a, 'ratio')} and ${format(c.errors_b, 'ratio')}` },
    judged.length > 0 && {
      ok: failed === 0,
      text: 'Thresholds hold',
      value: failed === 0 ? `in ${plural(judged.length, 'run')}` : `fail in ${failed} of ${judged.length}`,
    },
    c.kind === 'duet' && { ok: true, text: 'Random order', value: plural(c.order.length, 'pair') },
    lag.length > 0 && {
      ok: worst <= LAG_MS,
      text: 'Worst schedule lag p99',
      value: `${format(worst, 'ms')}, limit ${LAG_MS}\u202fms`,
    },
    busy.length > 0 && {
      ok: Math.max(...busy) <= 0.8,
      text: 'Busiest generator',
      value: `${format(Math.max(...busy), 'ratio')}, limit 80\u202f%`,
    },
    c.exclusions.length > 0 && { ok: true, text: 'Pairs run again', value: plural(c.exclusions.length, 'pair') },
  ];
  return all.filter((check) => check !== false).sort((x, y) => Number(x.ok) - Number(y.ok));
}

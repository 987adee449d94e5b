// Percentiles in words: what may be said of them, and of the failed requests in them.
import type { JudgedMs, JudgedTime, LatencyMs, Run, RunSummary } from '../backend/types';
import { DASH, format, TOO_SMALL } from './figures';

export const PERCENTILES = ['p50', 'p90', 'p95', 'p99', 'p999'] as const;
export type PercentileName = (typeof PERCENTILES)[number];
const QUANTILES: Record<PercentileName, number> = { p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99, p999: 0.999 };

export const percentileLabel = (name: PercentileName): string => (name === 'p999' ? 'p99.9' : name);
/** Samples that a quantile needs to be stated: 100 / (1 − q); what decides "n too small" (the engine's `samples_for`). */
export const needed = (name: PercentileName): number => Math.round(100 / (1 - QUANTILES[name]));
/** Whether so many samples cannot give a point of a line: below 1 / (1 − q) it is their longest time (`few_for_point`). */
export const fewForPoint = (n: number, name: PercentileName): boolean => n < Math.round(1 / (1 - QUANTILES[name]));
export const tooSmall = (l: LatencyMs, name: PercentileName): boolean => l.n === 0 || l.too_small.includes(name);

/** The percentiles with the failed requests in the distribution, where any failed: what is judged. */
export const judgedOf = (run: Pick<Run, 'judged_ms'>): JudgedMs | null =>
  run.judged_ms && run.judged_ms.timed_out + run.judged_ms.failed > 0 ? run.judged_ms : null;
export const enough = (all: JudgedMs, name: PercentileName): boolean => all.n > 0 && !all.too_small.includes(name);
export const ms = (value: number | null | undefined): string => format(value, 'ms');
/** A time that failed requests are in: with what is not known of it. */
export const judgedWord = (time: JudgedTime): string =>
  time.ms === null ? 'failed' : time.at_least ? `at least ${ms(time.ms)}` : ms(time.ms);

/** The rate of the successes; an en dash where nothing succeeded: what was not measured is no 0. */
export const rateWord = (of: Pick<Run, 'rate_per_s' | 'requests' | 'errors'>): string =>
  of.errors >= of.requests ? DASH : format(of.rate_per_s, 'per_second');

/** What a list sorts by where it shows that: what failed is longer than any limit. */
export const shownMs = (run: Pick<RunSummary, 'judged_ms' | 'p50_ms' | 'p99_ms'>, name: 'p50' | 'p99'): number | null =>
  run.judged_ms ? (run.judged_ms[name].ms ?? Infinity) : name === 'p50' ? run.p50_ms : run.p99_ms;

/** A percentile in a list of runs: with the failed requests in it, where that is known. */
export function shown(run: Pick<RunSummary, 'judged_ms' | 'p50_ms' | 'p99_ms' | 'requests' | 'errors'>, name: 'p50' | 'p99'): string {
  const all = run.judged_ms;
  if (!all) {
    const time = name === 'p50' ? run.p50_ms : run.p99_ms;
    return time !== null && run.requests - run.errors < needed(name) ? TOO_SMALL : ms(time);
  }
  // Where nothing succeeded there is no time but the one that was waited for in vain.
  if (run.errors >= run.requests && !(enough(all, name) && all[name].at_least)) return DASH;
  return enough(all, name) ? judgedWord(all[name]) : TOO_SMALL;
}

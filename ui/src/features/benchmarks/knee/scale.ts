// Axes of a search for the knee: concurrency by powers of two, the law that was fitted, and its words.
import { niceCeil } from '../../../charts/scale';
import * as md from '../../../kit/markdown';
import { format, integer } from '../../../kit/figures';
import type { Tone } from '../../../kit/outcome';
import type { KneePoint, StoredKnee, UslFit } from '../types';

/** Throughput of the universal scalability law at a concurrency, per second. */
export const usl = (f: UslFit, n: number): number => (f.gamma * n) / (1 + f.alpha * (n - 1) + f.beta * n * (n - 1));

export interface KneeScale {
  /** Powers of two from 1 to the highest concurrency seen or named. */
  ticks: number[];
  /** Round upper end of the throughput axis. */
  top: number;
  /** Round ends of the latency axis, logarithmic. */
  low: number;
  high: number;
}

/** `running` are the connections of a step that goes on. */
export function kneeScale(knee: StoredKnee, limitMs: number | null, running = 0): KneeScale {
  const most = Math.max(2, running, ...knee.points.map((p) => p.step.concurrency));
  const end = 2 ** Math.ceil(Math.log2(most));
  const ticks: number[] = [];
  for (let n = 1; n <= end; n *= 2) ticks.push(n);
  const rates = knee.points.map((p) => p.figures.rate_per_s);
  const fitted = knee.usl ? ticks.map((n) => usl(knee.usl!, n)) : [];
  const times = [...knee.points.flatMap((p) => p.figures.latency_ms ?? []), ...(limitMs === null ? [] : [limitMs])].filter((v) => v > 0);
  const [low, high] = times.length > 0 ? [Math.min(...times), Math.max(...times)] : [1, 10];
  return {
    ticks,
    top: niceCeil(Math.max(1, ...rates, ...fitted, knee.capacity?.high ?? 0, knee.capacity?.low ?? 0) * 1.05, 'per_second'),
    low: 10 ** Math.floor(Math.log10(low) + 1e-9),
    high: 10 ** Math.ceil(Math.log10(high * 1.05) - 1e-9),
  };
}

/** The limit of an objective in milliseconds; null when it cannot be read. */
export function limitOf(slo: string): number | null {
  const m = /<=?\s*(\d+(?:\.\d+)?)\s*(us|µs|ms|s)\s*$/.exec(slo);
  return m ? Number(m[1]) * ({ us: 0.001, µs: 0.001, ms: 1, s: 1000 }[m[2]!] ?? 1) : null;
}

/** The percentile of an objective, such as `p99`. */
export const percentileOf = (slo: string): string => /^\s*(p\d+(?:\.\d+)?)/.exec(slo)?.[1] ?? 'latency';

/** The busiest resource of a step. */
export function busiest(point: KneePoint): { name: string; share: number } | null {
  const all = Object.entries(point.figures.utilisation).filter((e): e is [string, number] => typeof e[1] === 'number');
  if (all.length === 0) return null;
  const [name, share] = all.reduce((best, e) => (e[1] > best[1] ? e : best));
  return { name, share };
}

/**
 * Why a step does not hold; of one that does, how that is known where its percentile cannot be stated: the requests beyond the
 * limit were counted (docs/benchmarks.md, 6.6). Else empty.
 */
export function failing(point: KneePoint, limitMs: number | null): string {
  if (point.holds) return point.figures.enough ? '' : `by counting ${integer(point.figures.n)} requests`;
  const f = point.figures;
  if (f.invalid_reasons.length > 0) return f.invalid_reasons.join('; ');
  if (f.error_share > 0.001) return `${percentWord(f.error_share)} errors`;
  if (point.unjudged) return 'too few requests';
  if (f.latency_ms === null) return f.n > 0 ? 'failed' : 'no successful response';
  if (limitMs !== null && f.latency_ms > limitMs) return 'over the limit';
  if (f.at_least) return 'timed out';
  return f.enough ? '' : 'too few requests';
}

/** How a step turned out. */
export const kneeWord = (point: KneePoint): 'holds' | 'fails' | 'not judged' =>
  point.holds ? 'holds' : point.unjudged ? 'not judged' : 'fails';

/** The percentile of a step, as far as it is known. */
export function stepTime(point: KneePoint): string {
  const f = point.figures;
  if (f.latency_ms === null) return f.n > 0 ? 'failed' : '–';
  return `${f.at_least ? 'at least ' : ''}${format(f.latency_ms, 'ms')}`;
}

const percentWord = (share: number): string => format(share, 'ratio');

export const PHASES: Record<string, string> = { doubling: 'doubling', bisecting: 'halving the gap', confirming: 'confirming' };

/** The search as Markdown. */
export function kneeMarkdown(knee: StoredKnee): string {
  const limit = limitOf(knee.slo);
  return [
    `### Knee of ${md.text(knee.name)}`,
    '',
    md.text(knee.sentence),
    '',
    md.utc(knee.created_ms),
    '',
    `| connections | rate | ${percentileOf(knee.slo)} | errors | holds | for |`,
    '| ---: | ---: | ---: | ---: | --- | --- |',
    ...knee.points.map((p) =>
      md.row(
        [
          integer(p.step.concurrency),
          format(p.figures.rate_per_s, 'per_second'),
          stepTime(p),
          percentWord(p.figures.error_share),
          `${kneeWord(p)}${failing(p, limit) ? `: ${failing(p, limit)}` : ''}`,
          PHASES[p.step.phase] ?? p.step.phase,
        ].map(md.text),
      ),
    ),
    '',
  ].join('\n');
}

/** How good the end of a search is. */
export function kneeTone(state: string): Tone {
  if (state === 'found' || state === 'beyond_max') return 'ok';
  return state === 'never_holds' || state === 'invalid' ? 'bad' : 'warn';
}

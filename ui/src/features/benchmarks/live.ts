// A benchmark while it runs, in words: what it does now, and what is known so far.
import { integer, percent, plural, THIN } from '../../kit/figures';
import { errorWords } from '../../kit/outcome';
import type { BenchLive, BenchPart, Knee, MetricComparison, StoredKnee } from './types';

const PHASES: Record<BenchLive['phase'], string> = {
  connecting: 'Opening connections',
  warm_up: 'Warming up, not counted',
  measuring: 'Measuring',
  draining: 'Waiting for the last responses',
  finished: 'Storing the run',
};
/** Steps of a job between the phases of its runs. */
const BETWEEN: Record<string, string> = {
  preparing: 'Preparing',
  resting: 'Resting between runs',
  'storing the run': 'Storing the run',
};

/** The last part of a job's step, such as `preparing`. */
const tailOf = (step: string): string => step.slice(step.lastIndexOf(',') + 1).trim();

/** Whether nothing is sent at this moment: before, between and after the runs. */
export const isBetween = (live: BenchLive | null, step: string, part: BenchPart | null): boolean =>
  live === null ||
  live.phase === 'finished' ||
  live.phase === 'connecting' ||
  tailOf(step) in BETWEEN ||
  (part?.kind === 'duet' && part.resting);

/** What it does now. */
export function phaseWords(live: BenchLive | null, step: string, part: BenchPart | null): string {
  const between = part?.kind === 'duet' && part.resting ? BETWEEN['resting'] : BETWEEN[tailOf(step)];
  const words = between ?? (live ? PHASES[live.phase] : PHASES.connecting);
  if (live?.phase !== 'finished' || live.errors === 0) return words;
  // A run that is over says what failed in it, whatever follows.
  return `${words}, ${errorWords(live.errors, live.requests)}${words === PHASES.finished ? '' : ' in the last run'}`;
}

const KNEE: Record<Extract<BenchPart, { kind: 'knee' }>['phase'], string> = {
  doubling: 'doubling until it fails',
  bisecting: 'halving the gap',
  confirming: 'confirming',
};

/** The part that it is at: `Pair 3 of 10, A: before`, or `32 connections, halving the gap`. */
export function partWords(part: BenchPart | null): string {
  if (part === null) return '';
  if (part.kind === 'knee') return `${plural(part.connections, 'connection')}, ${KNEE[part.phase]}`;
  const label = part.side === 'a' ? part.label_a : part.label_b;
  return `Pair ${integer(part.pair)} of ${integer(part.pairs)}, ${part.side.toUpperCase()}: ${label}`;
}

/** The effect so far, with its interval: `p99 −12 % (95 % interval −20 % to −4 %)`. */
export function effectWords(m: MetricComparison): string {
  const name = m.name === 'p999' ? 'p99.9' : m.name;
  if (m.effect === null) return `${name}: ${m.note ?? 'not known yet'}`;
  const interval = m.low === null || m.high === null ? 'no interval yet' : `95${THIN}% interval ${percent(m.low)} to ${percent(m.high)}`;
  return `${name} ${percent(m.effect)} (${interval})`;
}

/** A search that goes on, as its chart takes it. */
export const growing = (slo: string, knee: Knee): StoredKnee => ({ ...knee, id: '', name: '', created_ms: 0, environment_id: null, slo });

/** Time without a sample from which it is said, in milliseconds. */
const UNSEEN_MS = 2500;

/** Stretches of a run that are not counted, or were not seen because the window was opened later. */
export function unlike(first: BenchLive, warmup_s: number): { from: number; to: number; label: string }[] {
  const start = first.at_ms - first.elapsed_s * 1000;
  const counted = start + warmup_s * 1000;
  const seen = first.at_ms - start > UNSEEN_MS ? first.at_ms : start;
  return [
    ...(seen > start ? [{ from: start, to: seen, label: `no samples for ${integer(Math.round((seen - start) / 1000))}${THIN}s` }] : []),
    ...(counted > seen ? [{ from: seen, to: counted, label: 'warm-up, not counted' }] : []),
  ];
}

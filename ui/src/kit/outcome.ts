// How a run turned out, at a glance and in words: what failed comes first on every face. The engine's `words` crate says the
// same (`words/src/outcome.rs`), held to it by its golden table.
import type { Run, RunSummary, ThresholdCount } from '../backend/types';
import { format, integer, plural } from './figures';

export type Tone = 'ok' | 'warn' | 'bad';

/** What tells how a run turned out, of the run or of its line in a list. */
export interface Outcome {
  valid: boolean;
  state: Run['state'];
  requests: number;
  errors: number;
  timedOut: number;
  /** Null where it is not known. */
  answered: number | null;
  statuses: Run['statuses'];
  thresholds: ThresholdCount;
}

/** Share of failed requests above which a run is bad: more than that fails an objective too. */
const MOST_ERRORS = 0.001;
/** Statuses that are named at most. */
const MOST_STATUSES = 4;
/** Classes of errors of requests that were answered all the same. */
const ANSWERED: ReadonlySet<string> = new Set(['status', 'check', 'redirect', 'sql', 'cache']);

/** Requests that were answered, with a success or an error. */
export const answeredOf = (run: Pick<Run, 'requests' | 'errors_by_class'>): number =>
  Math.max(0, run.requests - run.errors_by_class.filter((e) => !ANSWERED.has(e.class)).reduce((sum, e) => sum + e.count, 0));

export const countOf = (list: Run['thresholds']): ThresholdCount => ({
  all: list.length,
  failed: list.filter((t) => !t.ok && !t.unjudged).length,
  unjudged: list.filter((t) => t.unjudged).length,
});

const common = (run: Run | RunSummary): Pick<Outcome, 'valid' | 'state' | 'requests' | 'errors' | 'timedOut'> => ({
  valid: run.valid,
  state: run.state,
  requests: run.requests,
  errors: run.errors,
  timedOut: run.judged_ms?.timed_out ?? 0,
});

/** Of a run. */
export const outcomeOf = (run: Run): Outcome => ({
  ...common(run),
  answered: answeredOf(run),
  statuses: run.statuses,
  thresholds: countOf(run.thresholds),
});

/** Of a line in a list; what an earlier version did not keep is not claimed. */
export const listed = (run: RunSummary): Outcome => ({
  ...common(run),
  answered: run.answered,
  statuses: run.statuses ?? [],
  thresholds: run.thresholds ?? { all: 0, failed: 0, unjudged: 0 },
});

/** Statuses of the answers, when any is no success: `all 301`, or `200 80 %, 503 20 %`. */
export function statusWords(statuses: Run['statuses']): string {
  if (statuses.every((s) => s.status >= 200 && s.status < 300)) return '';
  if (statuses.length === 1) return `all ${statuses[0]!.status}`;
  const all = statuses.reduce((sum, s) => sum + s.count, 0);
  const shown = [...statuses].sort((a, b) => b.count - a.count);
  const words = shown.slice(0, MOST_STATUSES).map((s) => `${s.status} ${format(s.count / all, 'ratio')}`);
  return [...words, ...(shown.length > MOST_STATUSES ? [`${shown.length - MOST_STATUSES} more`] : [])].join(', ');
}

/** Thresholds that failed or could not be judged; empty when all hold. */
export function thresholdWords(of: ThresholdCount): string {
  const all = plural(of.all, 'threshold');
  return [
    ...(of.failed > 0 ? [`${of.failed} of ${all} failed`] : []),
    ...(of.unjudged > 0 ? [`${of.unjudged} of ${all} not judged`] : []),
  ].join(', ');
}

export function errorWords(errors: number, requests: number): string {
  if (errors === 0) return 'no errors';
  const share = requests > 0 ? ` (${format(errors / requests, 'ratio')})` : '';
  return `${plural(errors, 'error')}${share}`;
}

/** What failed, the worst first: thresholds, requests without an answer, errors, statuses. Empty where nothing did. */
export function failures(of: Outcome): string[] {
  const [thresholds, statuses] = [thresholdWords(of.thresholds), statusWords(of.statuses)];
  return [
    ...(thresholds ? [thresholds] : []),
    ...(of.requests > 0 && of.answered === 0 ? ['0 answered'] : []),
    ...(of.errors > 0 ? [errorWords(of.errors, of.requests)] : []),
    ...(of.timedOut > 0 ? [`${integer(of.timedOut)} timed out`] : []),
    ...(statuses ? [`statuses: ${statuses}`] : []),
  ];
}

const ENDED: Readonly<Record<Run['state'], string | null>> = {
  completed: null,
  cancelled: 'Stopped early',
  aborted: 'Aborted',
  interrupted: 'Interrupted',
};

/** How it ended, when not as planned or with a threshold that does not hold. */
export const endWord = (of: Outcome): string | null =>
  of.valid ? (ENDED[of.state] ?? (of.thresholds.failed > 0 ? 'Failed' : null)) : 'Invalid';

/** How it turned out: bad where its figures are not those of a target that works, warn where it says less than it was meant to. */
export function toneOf(of: Outcome): Tone {
  if (!of.valid || of.thresholds.failed > 0 || of.errors > of.requests * MOST_ERRORS) return 'bad';
  return endWord(of) === null && of.requests > 0 && failures(of).length === 0 ? 'ok' : 'warn';
}

/** What failed in runs that belong together, as a report's first line says it: invalid, failed thresholds, errors. Empty where nothing did. */
export function failed(runs: readonly Outcome[]): string {
  const of = (which: (run: Outcome) => boolean, words: string): string[] => {
    const n = runs.filter(which).length;
    return n > 0 ? [`${integer(n)} ${words}`] : [];
  };
  return [
    ...of((run) => !run.valid, 'invalid'),
    ...of((run) => run.thresholds.failed > 0, 'with a failed threshold'),
    ...of((run) => run.errors > 0, 'with errors'),
  ].join(', ');
}

/** The same in a cell of a list: how it ended, and what failed first; `valid` where all is well. */
export function short(of: Outcome): string {
  const word = endWord(of);
  const ended = word === null || word === 'Failed' ? [] : [word.toLowerCase()];
  return [...ended, ...failures(of).slice(0, 1)].join(', ') || (of.requests === 0 ? 'no response' : 'valid');
}

// A run in words: its sentence, its Markdown, its command, and what may be said of its percentiles.
import { exactly, format, integer, lasted, plural, rate, setting, THIN } from '../../kit/figures';
import { enough, judgedOf, judgedWord, ms, PERCENTILES, percentileLabel, tooSmall, type PercentileName } from '../../kit/percentiles';
import { endWord, errorWords, failures, outcomeOf, toneOf, type Tone } from '../../kit/outcome';
import * as md from '../../kit/markdown';
import { httpCommand, planCommand } from './form/command';
import type { BenchPreview, LatencyMs, Load, Run, RunSpec } from './types';

/** What a run did in a few words: `GET http://…`, or what its plan does. */
export const requestOf = (spec: RunSpec): string => (spec.kind === 'http' ? `${spec.method} ${spec.url}` : spec.request);

export interface AnswerRow {
  key: string;
  /** A status, or the class of an error without one. */
  label: string;
  /** One message of it. */
  sample: string;
  count: number;
  failed: boolean;
}

/**
 * What came back, each request once: answers by status, then the errors that have none. Errors of the class `status` are the
 * answers of 400 and above, so they are not listed again.
 */
export function answerRows(run: Pick<Run, 'statuses' | 'errors_by_class'>): AnswerRow[] {
  const failed = (status: number): boolean => status >= 400;
  const told = run.statuses.some((s) => failed(s.status));
  const of = run.errors_by_class.find((e) => e.class === 'status');
  const most = Math.max(0, ...run.statuses.filter((s) => failed(s.status)).map((s) => s.count));
  return [
    ...run.statuses.map((s) => ({
      key: String(s.status),
      label: String(s.status),
      sample: of && failed(s.status) && s.count === most ? of.sample : '',
      count: s.count,
      failed: failed(s.status),
    })),
    ...run.errors_by_class
      .filter((e) => !(told && e.class === 'status'))
      .map((e) => ({ key: e.class, label: e.class, sample: e.sample, count: e.count, failed: true })),
  ];
}

/** Response times, or service times where the engine cannot give the former. */
export const latencyOf = (run: Run): LatencyMs => run.response_ms ?? run.service_ms;

/** `closed loop` or `400/s`. */
export function loadWords(load: Load): string {
  return load.kind === 'closed' ? 'closed loop' : `${setting(load.rate_per_s, 'per_second')} constant`;
}

/** Facts of the targets as rows: their versions, then what was set, then how much data there was. */
export function factRows(facts: Readonly<Record<string, string>>): [string, string][] {
  const kinds = ['version', 'setting', 'data'];
  const rank = (key: string): number => kinds.indexOf(key.split('.')[0] ?? '');
  return Object.entries(facts)
    .sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b))
    .map(([key, value]): [string, string] => {
      const [kind, target, ...rest] = key.split('.');
      if (kind === 'version') return [target ?? key, value];
      return [`${target} ${rest.join('.')}`, kind === 'data' ? `about ${integer(Number(value))}` : value];
    });
}

/** Whether another tool made the run: then only its figures are known. */
export const isImported = (spec: RunSpec): boolean => spec.kind === 'plan' && spec.connections === 0;

/** The load of a run; stages change its level, so its rate is an average. */
export function loadOf(spec: RunSpec): string {
  // What another tool did: its figures are here, its settings are not.
  if (isImported(spec)) return 'load not told';
  if (spec.kind !== 'plan' || !spec.varies) return loadWords(spec.load);
  return `${spec.load.kind === 'closed' ? 'closed loop' : `${format(spec.load.rate_per_s, 'per_second')} on average`}, in stages`;
}

/** The highest percentile up to p99 with enough samples behind it. */
export function tail(l: LatencyMs): PercentileName | null {
  return (['p99', 'p95', 'p90', 'p50'] as const).find((p) => !tooSmall(l, p)) ?? null;
}

export interface Sentence {
  /** How it ended, when not as planned or with a threshold that does not hold. */
  word: string | null;
  /** What failed, then the figures. */
  text: string;
  tone: Tone;
}

/** The rate against the one asked for; the steps of a scenario are more than the iterations that were asked for. */
function rateWords(run: Run): string {
  const requests = `${rate(run.rate_per_s)} requests/s`;
  if (!run.target_rate_per_s) return requests;
  // Of stages it is the average, which nobody asked for.
  const target = (run.spec.kind === 'plan' && run.spec.varies ? rate : exactly)(run.target_rate_per_s);
  if (run.iterations === null || run.iterations === run.requests) {
    return `${rate(run.rate_per_s)} of ${target} requests/s`;
  }
  const made = run.duration_s > 0 ? run.iterations / run.duration_s : 0;
  return `${rate(made)} of ${target} iterations/s, ${requests}`;
}

/** The highest percentile that can be stated, with its sample size. */
function latencyWords(run: Run): string {
  const all = judgedOf(run);
  const l = latencyOf(run);
  // What failed belongs to the distribution: without it a target that gives up looks fast.
  const name = all ? (['p99', 'p95', 'p90', 'p50'] as const).find((p) => enough(all, p)) : tail(l);
  const kind = run.response_ms ? '' : ' service time';
  const time = name ? `${percentileLabel(name)} ${all ? judgedWord(all[name]) : ms(l[name])}${kind}` : 'n too small for a percentile';
  return `${time} (n${THIN}=${THIN}${integer((all ?? l).n)})`;
}

/** The figures of a run that are no failure; the engine's `words` crate says the same in reports. */
function figuresOf(run: Run): string {
  const length = lasted(run.duration_s);
  // What another tool did does not tell how many it had.
  const at = run.spec.connections === 0 ? length : `${length} at ${plural(run.spec.connections, 'connection')}`;
  if (run.requests === 0) return `No response in the measured time, ${at}`;
  return [rateWords(run), latencyWords(run), ...(run.errors === 0 ? [errorWords(0, run.requests)] : []), at].join(', ');
}

/** The answer of a run in one sentence: an invalid one says why first, any other what failed. */
export function sentence(run: Run): Sentence {
  const outcome = outcomeOf(run);
  const [word, tone, failed] = [endWord(outcome), toneOf(outcome), failures(outcome)];
  if (!run.valid) {
    const why = run.invalid_reasons.join('; ') || 'the figures cannot be trusted';
    return { word, tone, text: [why, ...failed].join('; ') };
  }
  return { word, tone, text: [...failed, figuresOf(run)].join(', ') };
}

/** The same run for a terminal; a plan's text goes into a file first. */
export const command = (spec: RunSpec, environment: string | null): string =>
  (spec.kind === 'http' ? httpCommand(spec, { environment }) : planCommand('plan.toml', { environment })).join(' ');

/** The run as a Markdown section. */
export function markdown(run: Run): string {
  const s = sentence(run);
  const all: [string, LatencyMs | null][] = [
    ['response', run.response_ms],
    ['service', run.service_ms],
    ['schedule lag', run.schedule_lag_ms],
  ];
  const kinds = all.filter((k): k is [string, LatencyMs] => k[1] !== null);
  const machine = `${run.machine.cpu} (${run.machine.cores} cores)`;
  const lines = [
    `### ${md.text(run.name)}`,
    '',
    s.word ? `**${md.text(s.word)}:** ${md.text(s.text)}` : md.text(s.text),
    '',
    [md.code(requestOf(run.spec)), md.text(loadOf(run.spec)), md.utc(run.started_ms), md.text(machine), md.text(run.engine)].join(', '),
    '',
    md.row(['time', 'n', ...PERCENTILES.map(percentileLabel), 'max']),
    `| --- | ---: |${' ---: |'.repeat(PERCENTILES.length + 1)}`,
    ...kinds.map(([name, l]) => {
      const times = PERCENTILES.map((p) => (tooSmall(l, p) ? 'n too small' : ms(l[p])));
      return md.row([name, integer(l.n), ...times, ms(l.max)].map(md.text));
    }),
  ];
  const judged = judgedOf(run);
  if (judged) {
    const times = PERCENTILES.map((p) => (enough(judged, p) ? judgedWord(judged[p]) : 'n too small'));
    lines.push(md.row(['all, failed ones included', integer(judged.n), ...times, judgedWord(judged.max)].map(md.text)));
  }
  if (run.errors_by_class.length > 0) {
    const errors = run.errors_by_class.map((e) => md.row([md.text(e.class), String(e.count), md.text(e.sample)]));
    lines.push('', '| error | count | sample |', '| --- | ---: | --- |', ...errors);
  }
  return `${lines.join('\n')}\n`;
}

/** Names that were typed with a comma between; a name may have commas itself. */
export const namesIn = (typed: string | null): string[] =>
  typed === null ? [] : [...new Set([typed, ...typed.split(',').map((name) => name.trim())])];

/** What the guards say to both sides of a duet; when they ask for two names, both are typed, with a comma between. */
export function bothSides(a: BenchPreview, b: BenchPreview): BenchPreview {
  const names = [...new Set([a.confirm, b.confirm])].filter((name) => name !== null);
  return {
    resolved: [...new Set([...a.resolved, ...b.resolved])],
    loopback: a.loopback && b.loopback,
    guard: a.guard ?? b.guard,
    confirm: names.length > 0 ? names.join(', ') : null,
    evidence: [...new Set([...a.evidence, ...b.evidence])],
    problem: a.problem ?? b.problem,
    tells: a.tells,
  };
}

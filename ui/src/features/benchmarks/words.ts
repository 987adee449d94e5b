// A run in words: its sentence, its Markdown, its command, and what may be said of its percentiles.
import { duration, format, integer, plural, rate, seconds, THIN } from '../../kit/figures';
import { enough, judgedOf, judgedWord, ms, PERCENTILES, percentileLabel, tooSmall, type PercentileName } from '../../kit/percentiles';
import { dayTime } from '../../charts/ticks';
import { httpCommand, planCommand } from './form/command';
import type { BenchPreview, LatencyMs, Load, Run, RunSpec, RunState } from './types';

/** Classes of errors of requests that were answered all the same. */
const ANSWERED: ReadonlySet<string> = new Set(['status', 'check', 'redirect', 'sql', 'cache']);
/** Requests that were answered, with a success or an error. */
export const answeredOf = (run: Pick<Run, 'requests' | 'errors_by_class'>): number =>
  Math.max(0, run.requests - run.errors_by_class.filter((e) => !ANSWERED.has(e.class)).reduce((sum, e) => sum + e.count, 0));

/** Statuses of the answers, when any is no success: `all 301`, or `200 80 %, 503 20 %`. */
export function statusWords(statuses: Run['statuses']): string {
  if (statuses.every((s) => s.status >= 200 && s.status < 300)) return '';
  if (statuses.length === 1) return `all ${statuses[0]!.status}`;
  const all = statuses.reduce((sum, s) => sum + s.count, 0);
  const shown = [...statuses].sort((a, b) => b.count - a.count);
  const words = shown.slice(0, 4).map((s) => `${s.status} ${format(s.count / all, 'ratio')}`);
  return [...words, ...(shown.length > 4 ? [`${shown.length - 4} more`] : [])].join(', ');
}

/** Thresholds that failed or could not be judged; empty when all hold. */
export function thresholdWords(list: Run['thresholds']): string {
  const unjudged = list.filter((t) => t.unjudged).length;
  const failed = list.filter((t) => !t.ok).length - unjudged;
  const of = plural(list.length, 'threshold');
  return [...(failed > 0 ? [`${failed} of ${of} failed`] : []), ...(unjudged > 0 ? [`${unjudged} of ${of} not judged`] : [])].join(', ');
}

/** What a run did in a few words: `GET http://…`, or what its plan does. */
export const requestOf = (spec: RunSpec): string => (spec.kind === 'http' ? `${spec.method} ${spec.url}` : spec.request);

/** Response times, or service times where the engine cannot give the former. */
export const latencyOf = (run: Run): LatencyMs => run.response_ms ?? run.service_ms;

/** `closed loop` or `400/s`. */
export function loadWords(load: Load): string {
  return load.kind === 'closed' ? 'closed loop' : `${format(load.rate_per_s, 'per_second')} constant`;
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

/** The load of a run; stages change its level, so its rate is an average. */
export function loadOf(spec: RunSpec): string {
  if (spec.kind !== 'plan' || !spec.varies) return loadWords(spec.load);
  return `${spec.load.kind === 'closed' ? 'closed loop' : `${format(spec.load.rate_per_s, 'per_second')} on average`}, in stages`;
}

export function errorWords(errors: number, requests: number): string {
  if (errors === 0) return 'no errors';
  const share = requests > 0 ? ` (${format(errors / requests, 'ratio')})` : '';
  return `${plural(errors, 'error')}${share}`;
}

/** The highest percentile up to p99 with enough samples behind it. */
export function tail(l: LatencyMs): PercentileName | null {
  return (['p99', 'p95', 'p90', 'p50'] as const).find((p) => !tooSmall(l, p)) ?? null;
}

export interface Sentence {
  word: string | null;
  text: string;
}

/** The rate against the one asked for; the steps of a scenario are more than the iterations that were asked for. */
function rateWords(run: Run): string {
  const requests = `${rate(run.rate_per_s)} requests/s`;
  if (!run.target_rate_per_s) return requests;
  if (run.iterations === null || run.iterations === run.requests) {
    return `${rate(run.rate_per_s)} of ${rate(run.target_rate_per_s)} requests/s`;
  }
  const made = run.duration_s > 0 ? run.iterations / run.duration_s : 0;
  return `${rate(made)} of ${rate(run.target_rate_per_s)} iterations/s, ${requests}`;
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

/** The figures of a run; the engine's `words` crate says the same in reports. */
function figuresOf(run: Run): string {
  const length = run.duration_s < 1 ? seconds(run.duration_s) : duration(run.duration_s);
  const at = `${length} at ${plural(run.spec.connections, 'connection')}`;
  if (run.requests === 0) return `No response in the measured time, ${at}`;
  const all = judgedOf(run);
  return [
    ...(answeredOf(run) === 0 ? ['0 answered'] : []),
    rateWords(run),
    latencyWords(run),
    errorWords(run.errors, run.requests),
    ...(all && all.timed_out > 0 ? [`${integer(all.timed_out)} timed out`] : []),
    ...(statusWords(run.statuses) ? [`statuses: ${statusWords(run.statuses)}`] : []),
    ...(thresholdWords(run.thresholds) ? [thresholdWords(run.thresholds)] : []),
    at,
  ].join(', ');
}

/** The answer of a run in one sentence; an invalid run says why first. */
export function sentence(run: Run): Sentence {
  if (!run.valid) return { word: 'Invalid', text: run.invalid_reasons.join('; ') || 'the figures cannot be trusted' };
  const text = figuresOf(run);
  if (run.state === 'cancelled') return { word: 'Stopped early', text };
  if (run.state === 'aborted') return { word: 'Aborted', text };
  if (run.state === 'interrupted') return { word: 'Interrupted', text };
  return { word: null, text };
}

export function validity(valid: boolean, state: RunState): { glyph: 'ok' | 'warn' | 'bad'; word: string } {
  if (!valid) return { glyph: 'bad', word: 'invalid' };
  if (state === 'cancelled') return { glyph: 'warn', word: 'stopped early' };
  if (state === 'aborted') return { glyph: 'warn', word: 'aborted' };
  if (state === 'interrupted') return { glyph: 'warn', word: 'interrupted' };
  return { glyph: 'ok', word: 'valid' };
}

/** The same run for a terminal; a plan's text goes into a file first. */
export const command = (spec: RunSpec, environment: string | null): string =>
  (spec.kind === 'http' ? httpCommand(spec, { environment }) : planCommand('plan.toml', { environment })).join(' ');

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll(THIN, '\u00a0');

/** The run as a Markdown section. */
export function markdown(run: Run): string {
  const s = sentence(run);
  const all: [string, LatencyMs | null][] = [
    ['response', run.response_ms],
    ['service', run.service_ms],
    ['schedule lag', run.schedule_lag_ms],
  ];
  const kinds = all.filter((k): k is [string, LatencyMs] => k[1] !== null);
  const lines = [
    `### ${cell(run.name)}`,
    '',
    cell(s.word ? `**${s.word}:** ${s.text}` : s.text),
    '',
    `\`${requestOf(run.spec)}\`, ${cell(loadOf(run.spec))}, ${dayTime(run.started_ms)}, ${cell(run.machine.cpu)} (${run.machine.cores} cores), ${run.engine}`,
    '',
    `| time | n | ${PERCENTILES.map(percentileLabel).join(' | ')} | max |`,
    `| --- | ---: |${' ---: |'.repeat(PERCENTILES.length + 1)}`,
    ...kinds.map(([name, l]) =>
      `| ${name} | ${integer(l.n)} | ${PERCENTILES.map((p) => (tooSmall(l, p) ? 'n too small' : ms(l[p]))).join(' | ')} | ${ms(l.max)} |`.replaceAll(
        THIN,
        '\u00a0',
      ),
    ),
  ];
  const judged = judgedOf(run);
  if (judged) {
    const cells = PERCENTILES.map((p) => (enough(judged, p) ? judgedWord(judged[p]) : 'n too small'));
    lines.push(
      `| all, failed ones included | ${integer(judged.n)} | ${cells.join(' | ')} | ${judgedWord(judged.max)} |`.replaceAll(THIN, '\u00a0'),
    );
  }
  if (run.errors_by_class.length > 0) {
    lines.push(
      '',
      '| error | count | sample |',
      '| --- | ---: | --- |',
      ...run.errors_by_class.map((e) => `| ${e.class} | ${e.count} | ${cell(e.sample)} |`),
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Whether the guards let a benchmark start, with what was typed to confirm it. */
export const mayStart = (preview: BenchPreview | null, typed: string): boolean =>
  preview === null ||
  (preview.problem === null && preview.guard === null && (preview.confirm === null || typed.trim() === preview.confirm));

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

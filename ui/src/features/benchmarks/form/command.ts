// The same benchmark for a terminal: a real line of `perfctl`, in groups that a line may break between.
import type { BenchSpec, CacheBenchSpec, HttpBenchSpec, Pace, SqlBenchSpec, SqlValue } from '../types';
import type { KneeAsked } from '../knee/form';

/** A word as a shell takes it. */
export const quote = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** An option and its value. One that begins with a hyphen would be another option. */
const option = (name: string, value: string | number): string =>
  String(value).startsWith('-') ? `${name}=${quote(String(value))}` : `${name} ${quote(String(value))}`;
const seconds = (s: number): string => (s > 0 && s < 1 ? `${Number((s * 1000).toPrecision(6))}ms` : `${s}s`);

/** Where a benchmark is run, and what it is called. */
export interface CommandAt {
  environment?: string | null;
  name?: string | null;
  /** The name that a guard asks for. */
  confirm?: string | null;
}

const at = (where: CommandAt): string[] => [
  ...(where.environment ? [option('--env', where.environment)] : []),
  ...(where.confirm ? [option('--confirm', where.confirm)] : []),
  ...(where.name ? [option('--name', where.name)] : []),
];

/** What each request is. */
function request(spec: HttpBenchSpec): string[] {
  const groups: string[] = [];
  if (spec.threads) groups.push(option('--threads', spec.threads));
  groups.push(option('--warmup', seconds(spec.warmup_s)));
  if (spec.method !== 'GET') groups.push(option('--method', spec.method));
  for (const h of spec.headers) groups.push(option('--header', `${h.name}: ${h.value}`));
  return groups;
}
function security(spec: HttpBenchSpec): string[] {
  const groups: string[] = [];
  if (spec.client_certificate) groups.push(option('--cert', spec.client_certificate.cert));
  if (spec.client_certificate?.key) groups.push(option('--key', spec.client_certificate.key));
  if (spec.timeout_s !== 10) groups.push(option('--timeout', seconds(spec.timeout_s)));
  if (spec.insecure_tls) groups.push('--insecure');
  return groups;
}
const body = (spec: HttpBenchSpec): string[] => [
  ...(spec.body ? [option('--body', spec.body.startsWith('@') ? '@body.txt' : spec.body)] : []),
  // Bytes that are no text are not kept with the run.
  ...(spec.body_base64 ? ['--body @FILE'] : []),
];

function load(spec: HttpBenchSpec): string[] {
  const groups = [option('-c', spec.connections), option('-d', seconds(spec.duration_s))];
  if (spec.load.kind === 'rate') groups.push(option('--rate', spec.load.rate_per_s));
  return [...groups, ...request(spec), ...body(spec), ...security(spec)];
}

const limits = (thresholds: readonly string[]): string[] => thresholds.map((t) => option('--threshold', t));

export const httpCommand = (spec: HttpBenchSpec, where: CommandAt = {}): string[] => [
  `perfctl bench http ${quote(spec.url)}`,
  ...load(spec),
  ...limits(spec.thresholds),
  ...at(where),
  '--json',
];

/** Interleaved pairs of a request at two addresses, or of one address with itself. */
export const duetCommand = (
  a: HttpBenchSpec,
  urlB: string | null,
  pairs: number,
  where: CommandAt = {},
  changed: readonly string[] = [],
): string[] => [
  `perfctl bench duet ${quote(a.url)}${urlB === null ? '' : ` ${quote(urlB)}`}`,
  option('--pairs', pairs),
  ...(urlB === null ? ['--noise'] : changed.map((part) => option('--changed', part))),
  ...load(a),
  ...(where.environment ? [option('--a', where.environment), ...(urlB === null ? [] : [option('--b', where.environment)])] : []),
  ...(where.confirm ? where.confirm.split(', ').map((name) => option('--confirm', name)) : []),
  ...(where.name ? [option('--name', where.name)] : []),
  '--json',
];

/** A search for the knee of a request. */
export const kneeCommand = (spec: HttpBenchSpec, asked: KneeAsked, where: CommandAt = {}): string[] => [
  `perfctl bench knee ${quote(spec.url)}`,
  option('--slo', asked.slo),
  option('--max', asked.max_connections),
  option('--step', seconds(asked.step_s)),
  option('--confirm-for', seconds(asked.confirm_s)),
  ...request(spec),
  ...security(spec),
  ...(where.environment ? [option('--env', where.environment)] : []),
  ...(where.confirm ? [option('--confirm', where.confirm)] : []),
  '--json',
];

function paced(pace: Pace): string[] {
  const groups = [option('-c', pace.connections), option('-d', seconds(pace.duration_s))];
  if (pace.rate_per_s !== null) groups.push(option('--rate', pace.rate_per_s));
  if (pace.poisson) groups.push('--poisson');
  if (pace.late_limit_s !== null) groups.push(option('--late-limit', seconds(pace.late_limit_s)));
  if (pace.threads) groups.push(option('--threads', pace.threads));
  groups.push(option('--warmup', seconds(pace.warmup_s)));
  if (pace.timeout_s !== 10) groups.push(option('--timeout', seconds(pace.timeout_s)));
  if (pace.seed !== 1) groups.push(option('--seed', pace.seed));
  return [...groups, ...limits(pace.thresholds)];
}

/** A parameter as `--param` takes it. */
export function parameterText(value: SqlValue): string {
  switch (value.kind) {
    case 'constant':
      return value.value;
    case 'text':
      return `text:${value.text}`;
    case 'null':
      return 'null';
    case 'uniform':
      return `uniform:${value.from}..${value.to}`;
    case 'sequence':
      return `sequence:${value.from}..${value.to}`;
    case 'zipf':
      return `zipf:${value.items}`;
  }
}

export const sqlCommand = (spec: SqlBenchSpec, where: CommandAt = {}): string[] => [
  'perfctl bench sql',
  ...at(where),
  spec.script === null ? option('--sql', spec.statement) : option('--script', spec.script),
  ...spec.parameters.map((value) => option('--param', parameterText(value))),
  ...(spec.prepared ? [] : ['--simple']),
  ...(spec.transaction ? ['--transaction'] : []),
  ...paced(spec.pace),
  '--json',
];

export const cacheCommand = (spec: CacheBenchSpec, where: CommandAt = {}): string[] => [
  'perfctl bench cache',
  ...at(where),
  option('--mix', spec.mix.map((s) => `${s.command.toLowerCase()}=${s.weight}`).join(',')),
  option('--prefix', spec.prefix),
  option('--keys', spec.keys),
  ...(spec.zipf === null ? [] : [option('--zipf', spec.zipf)]),
  option('--value-size', spec.value_size),
  ...(spec.pipeline === 1 ? [] : [option('--pipeline', spec.pipeline)]),
  ...paced(spec.pace),
  '--json',
];

/** A plan in a file. */
export const planCommand = (file: string, where: CommandAt = {}): string[] => [`perfctl bench run ${quote(file)}`, ...at(where), '--json'];

/** The name of a file for a plan. */
export const planFile = (name: string): string => `${name.replaceAll(/[^\w.-]+/g, '-').replaceAll(/^-+|-+$/g, '') || 'plan'}.toml`;

/** One run of it; a plan's text goes into a file first. */
export function runCommand(spec: BenchSpec, where: CommandAt = {}): string[] {
  switch (spec.kind) {
    case 'http':
      return httpCommand(spec, where);
    case 'sql':
      return sqlCommand(spec, where);
    case 'cache':
      return cacheCommand(spec, where);
    case 'plan':
      return planCommand('plan.toml', where);
  }
}

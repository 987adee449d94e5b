// Values as the engine sends them, for tests: whole, so that a field that is renamed fails their check.
import type {
  Change,
  ChangeDetail,
  EnvironmentSummary,
  Environment,
  Finding,
  HttpBenchSpec,
  JobStatus,
  KindDefaults,
  LatencyMs,
  ReportFile,
  Run,
  RunSummary,
  StoredComparison,
  StoredKnee,
  TargetStatus,
} from '../backend/types';

/** A time of the tests, in milliseconds since 1970. */
export const AT = 1_795_949_075_245;

export const summary = (of: Partial<EnvironmentSummary> = {}): EnvironmentSummary => ({
  id: 'shop',
  name: 'shop',
  kind: 'staging',
  demo: false,
  targets: [['api', 'http://shop.example/']],
  runs: 0,
  read_only: false,
  unlocked_until_ms: null,
  ...of,
});

export const pool = { size: 5, max_overflow: 10, timeout_s: 30, recycle_s: 1800 };
export const guards: Environment['guards'] = {
  read_only: false,
  typed_confirmation: false,
  max_rate_per_s: null,
  max_error_share: null,
  min_free_connections: null,
  never_production: false,
};
export const defaults = (of: Partial<KindDefaults> = {}): KindDefaults => ({
  pool,
  guards,
  cache_default_ttl_s: 300,
  differences: [],
  ...of,
});
export const environment = (of: Partial<Environment> = {}): Environment => ({
  id: 'shop',
  name: 'shop',
  kind: 'staging',
  targets: { database: null, cache: null, api: null, host: null, frontend: null },
  pool,
  guards,
  created_ms: AT,
  updated_ms: AT,
  ...of,
});

export const target = (of: Partial<TargetStatus> = {}): TargetStatus => ({
  role: 'database',
  address: 'db.example:5432',
  state: 'up',
  version: 'PostgreSQL 17.2',
  detail: null,
  round_trip_ms: 1.5,
  last_sample_ms: AT,
  next_try_ms: null,
  error: null,
  limits: {},
  own_requests: null,
  ...of,
});

export const finding = (of: Partial<Finding> = {}): Finding => ({
  id: 'f1',
  kind: 'duplicate_index',
  target: 'database',
  title: '`orders_idx` repeats another index',
  evidence: '2.1 MiB for `orders`',
  cost: 1,
  action: { label: 'Review index', opens: { what: 'database' } },
  ...of,
});

export const job = (of: Partial<JobStatus> = {}): JobStatus => ({
  id: 'j',
  kind: 'bench',
  title: 'Benchmark',
  environment_id: 'shop',
  state: 'running',
  progress: null,
  step: '',
  started_ms: AT,
  finished_ms: null,
  cancellable: true,
  error: null,
  result: null,
  ...of,
});

export const latency = (of: Partial<LatencyMs> = {}): LatencyMs => ({
  n: 72_930,
  min: 1,
  mean: 12,
  p50: 11.8,
  p90: 17,
  p95: 21,
  p99: 42.5,
  p999: 61,
  max: 120,
  too_small: [],
  ...of,
});

export const httpSpec = (of: Partial<HttpBenchSpec> = {}): HttpBenchSpec => ({
  url: 'http://127.0.0.1:8000/',
  method: 'GET',
  headers: [],
  body: null,
  load: { kind: 'closed' },
  connections: 32,
  threads: null,
  duration_s: 30,
  warmup_s: 2,
  timeout_s: 30,
  insecure_tls: false,
  ...of,
});

export const run = (of: Partial<Run> = {}): Run => ({
  schema: 'perfdeck.run/1',
  id: 'r1',
  name: 'before',
  environment_id: 'shop',
  environment_name: 'shop',
  part_of: null,
  engine: 'raw',
  spec: { kind: 'http', ...httpSpec() },
  resolved: ['127.0.0.1:8000'],
  state: 'completed',
  started_ms: AT,
  finished_ms: AT + 30_000,
  duration_s: 30,
  requests: 72_930,
  errors: 0,
  rate_per_s: 2431,
  target_rate_per_s: null,
  bytes_received: 1_000_000,
  response_ms: latency(),
  service_ms: latency(),
  judged_ms: null,
  schedule_lag_ms: null,
  client_cpu_s: 3,
  facts: {},
  steps: [],
  stages: [],
  iterations: null,
  thresholds: [],
  valid: true,
  invalid_reasons: [],
  footing: {
    rate_share: null,
    lag_p99_ms: null,
    lag_limit_ms: null,
    precise_timer: true,
    generator_cpu_share: 0.3,
    ceiling_per_s: 48_000,
    ceiling_kind: 'measured',
    ceiling_share: 0.05,
    co_located: false,
    autocorrelation: 0.1,
    steady: true,
    throttled_s: null,
    throttled_periods: null,
  },
  notes: [],
  errors_by_class: [],
  statuses: [{ status: 200, count: 72_930 }],
  intervals: [
    { t_ms: 0, duration_s: 1, requests: 10, errors: 0, p50: 1, p90: 2, p99: 3, max: 4 },
    { t_ms: 1000, duration_s: 1, requests: 10, errors: 0, p50: 1, p90: 2, p99: 3, max: 4 },
  ] as Run['intervals'],
  curve: [
    { q: 0.5, ms: 11.8 },
    { q: 0.99, ms: 42.5 },
  ],
  response_histogram: '',
  service_histogram: '',
  lag_histogram: '',
  timeout_histogram: '',
  machine: { os: 'Linux', cpu: 'a processor', cores: 2, memory_bytes: 8_000_000_000, perfdeck: '0.1.0' },
  ...of,
});

export const runSummary = (of: Partial<RunSummary> = {}): RunSummary => ({
  id: 'r1',
  name: 'before',
  environment_id: 'shop',
  part_of: null,
  request: 'GET http://127.0.0.1:8000/',
  load: { kind: 'closed' },
  connections: 32,
  state: 'completed',
  started_ms: AT,
  duration_s: 30,
  requests: 72_930,
  errors: 0,
  rate_per_s: 2431,
  p50_ms: 11.8,
  p99_ms: 42.5,
  judged_ms: null,
  valid: true,
  work: 'w',
  ...of,
});

export const report = (of: Partial<ReportFile> = {}): ReportFile => ({
  id: 'p1',
  title: 'Week 47',
  environment_name: 'shop',
  html_path: '/data/reports/week-47.html',
  json_path: '/data/reports/week-47.json',
  html_bytes: 120_000,
  created_ms: AT,
  run_ids: ['r1'],
  ...of,
});

/** A step of a search; without a time it had no successful response. */
export const kneePoint = (
  concurrency: number,
  rate_per_s: number,
  latency_ms: number | null,
  holds: boolean,
  of: Partial<StoredKnee['points'][number]['figures']> = {},
): StoredKnee['points'][number] => ({
  step: { concurrency, phase: 'doubling', duration_s: 10 },
  figures: {
    rate_per_s,
    n: latency_ms === null ? 0 : 10_000,
    latency_ms,
    at_least: false,
    enough: true,
    within: holds,
    error_share: 0,
    invalid_reasons: [],
    utilisation: { 'host CPU': 0.9, 'load generator': 0.2 },
    ...of,
  },
  holds,
  unjudged: false,
});
export const knee = (of: Partial<StoredKnee> = {}): StoredKnee => ({
  id: 'k1',
  name: 'GET /',
  created_ms: AT,
  environment_id: 'shop',
  slo: 'p99<50ms',
  schema: 'perfdeck.knee/1',
  state: 'found',
  concurrency: 32,
  failing: 64,
  rate_per_s: 2000,
  capacity: { low: 1900, high: 2100 },
  capacity_measured: false,
  usl: null,
  usl_interval: null,
  saturation: null,
  points: [kneePoint(1, 150, 9, true), kneePoint(32, 2000, 40, true), kneePoint(64, 2100, 70, false)],
  sentence: 'Holds up to 32 connections. At 64 it does not.',
  notes: [],
  ...of,
});

export const comparison = (of: Partial<StoredComparison> = {}): StoredComparison => ({
  id: 'c1',
  name: 'before and after',
  created_ms: AT,
  label_a: 'before',
  label_b: 'after',
  environment_id: 'shop',
  schema: 'perfdeck.comparison/1',
  kind: 'indicative',
  verdict: 'slower',
  sentence: 'Slower: p99 is 12 % longer.',
  level: 0.95,
  registration_hash: '',
  metrics: [
    {
      metric: 'p99' as StoredComparison['metrics'][number]['metric'],
      name: 'p99',
      unit: 'ms',
      primary: true,
      effect: 0.12,
      low: 0.1,
      high: 0.14,
      p: 0.001,
      p_holm: 0.001,
      pairs: 10,
      verdict: 'slower',
      a_median: 40,
      b_median: 44.8,
      delta: 0.05,
      band_low: -0.05,
      ratios: [],
      note: null,
    },
  ],
  shift: [],
  looks: [],
  more_pairs: null,
  differences: [],
  invalid_reasons: [],
  exclusions: [],
  errors_a: 0,
  errors_b: 0,
  errors: { mean: 0, low: null, high: null, suppresses: false },
  order: [],
  runs_a: ['r1'],
  runs_b: ['r2'],
  drift: [],
  notes: [],
  ...of,
});

/** A change that the target confirmed. */
export const change = (of: Partial<Change> = {}): Change => ({
  id: 'c1',
  kind: 'drop_index',
  environment_id: 'shop',
  environment: 'shop',
  target: 'database',
  object: 'public.two',
  title: 'Drop `public.two`, which repeats `public.one`',
  statement: 'DROP INDEX CONCURRENTLY "public"."two"',
  undo_statement: 'CREATE INDEX CONCURRENTLY two ON public.t USING btree (a)',
  undo_cost: 'reads the whole table once; reads and writes go on',
  state: 'verified',
  held: false,
  steps: [
    { at_ms: AT, state: 'planned', text: '' },
    { at_ms: AT + 1000, state: 'previewed', text: '' },
    { at_ms: AT + 2000, state: 'armed', text: 'the guards allow it' },
    { at_ms: AT + 2001, state: 'applying', text: '' },
    { at_ms: AT + 5000, state: 'applied', text: '' },
    { at_ms: AT + 5100, state: 'verified', text: 'absent; public.one serves instead' },
  ],
  preview: [
    { what: 'Space freed', predicted: 3_145_728, came: 3_145_728, unit: 'bytes' },
    { what: 'Time', predicted: null, came: 2.9, unit: 'seconds' },
  ],
  notes: ['`public.one` has the same keys and stays'],
  offers: ['keep', 'undo'],
  target_says: { says: 'as_applied', text: 'absent; public.one serves instead' },
  checked_ms: AT + 5100,
  ends_ms: null,
  created_ms: AT,
  updated_ms: AT + 5100,
  error: null,
  ...of,
});

/** One that waits for a person before anything is sent. */
export const plannedChange = (of: Partial<Change> = {}): Change => {
  const done = change();
  return {
    ...done,
    state: 'previewed',
    steps: done.steps.slice(0, 2),
    preview: done.preview.map((row) => ({ ...row, came: null })),
    offers: ['apply'],
    target_says: null,
    checked_ms: null,
    updated_ms: AT + 1000,
    ...of,
  };
};

/** One that ended in the middle: its index is half dropped. */
export const cutOffChange = (of: Partial<Change> = {}): Change => {
  const done = change();
  return {
    ...done,
    state: 'cut_off',
    steps: [...done.steps.slice(0, 4), { at_ms: AT + 4000, state: 'cut_off', text: 'Perfdeck ended while it was applying' }],
    preview: done.preview.map((row) => ({ ...row, came: null })),
    offers: ['finish', 'clean_up'],
    target_says: { says: 'half_done', text: 'invalid, 3.0 MiB, written with every insert, used by no query' },
    updated_ms: AT + 4000,
    ...of,
  };
};

export const changeDetail = (of: Change, guards: Partial<Omit<ChangeDetail, 'change'>> = {}): ChangeDetail => ({
  change: of,
  guard: null,
  confirm: null,
  evidence: [],
  ...guards,
});

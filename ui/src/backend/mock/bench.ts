// Made-up runs: their seconds, heatmaps, what moved, histories, baselines, a search for the knee, and one that runs.
import type {
  Baseline,
  BenchLive,
  Certificate,
  Heatmap,
  HistoryPoint,
  JobStatus,
  KneePoint,
  LatencyMs,
  MetricComparison,
  Moved,
  Run,
  RunHistory,
  RunSpec,
  RunSummary,
  StageResult,
  StepResult,
  StoredComparison,
  StoredKnee,
} from '../types';
import { job } from './data';
import { noise } from './series';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const NOW = Math.floor(Date.now() / 1000) * 1000;

const latency = (n: number, p50: number, tail = 1): LatencyMs => ({
  n,
  min: p50 * 0.4,
  mean: p50 * 1.15,
  p50,
  p90: p50 * 1.7,
  p95: p50 * 2.3 * tail,
  p99: p50 * 4.6 * tail,
  p999: p50 * 11 * tail,
  max: p50 * 24 * tail,
  too_small: [
    ...(n < 1000 ? (['p90'] as const) : []),
    ...(n < 10_000 ? (['p99'] as const) : []),
    ...(n < 100_000 ? (['p999'] as const) : []),
  ],
});

const certificate = (over: Partial<Certificate> = {}): Certificate => ({
  rate_share: null,
  lag_p99_ms: null,
  lag_limit_ms: null,
  precise_timer: true,
  generator_cpu_share: 0.31,
  ceiling_per_s: 48_200,
  ceiling_kind: 'measured',
  ceiling_share: 0.05,
  co_located: false,
  autocorrelation: 0.12,
  steady: true,
  throttled_s: 0,
  throttled_periods: 0,
  ...over,
});

const HTTP: RunSpec = {
  kind: 'http',
  url: 'https://api.clinic.example/appointments?limit=20',
  method: 'GET',
  headers: [{ name: 'Accept', value: 'application/json' }],
  body: null,
  load: { kind: 'closed' },
  connections: 32,
  threads: null,
  duration_s: 60,
  warmup_s: 5,
  timeout_s: 10,
  insecure_tls: false,
};
const TOML = `name = "log in, browse, book"
scenario = true
duration = "2m"
thresholds = ["p99 < 200ms", "step:book p95 < 150ms", "errors < 0.1%"]

[load]
kind = "open"
rate_per_s = 20.0
max_in_flight = 200

[auth]
kind = "login"
step = "login"
var = "token"

[variables]
password = "env:LOGIN_PASSWORD"

[[feeds]]
name = "user"
kind = "uniform"
from = 1
to = 1000
prefix = "user-"

[[steps]]
name = "login"
kind = "http"
method = "POST"
path = "/login"
json = { user = "{{user}}", password = "{{password}}" }
extract = [{ var = "token", json_pointer = "/token" }]

[[steps]]
name = "read the cache"
kind = "cache"
command = "GET"
args = ["session:{{user}}"]

[[steps]]
name = "browse"
kind = "http"
path = "/appointments?limit=20"

[[steps]]
name = "book"
kind = "sql"
statement = "UPDATE appointments SET status = 'booked' WHERE id = $1"
parameters = [{ value = "{{user}}", type = "integer" }]
`;
const PLAN: RunSpec = {
  kind: 'plan',
  request: 'POST /login and 3 more steps',
  toml: TOML,
  base_url: 'https://api.clinic.example',
  load: { kind: 'rate', rate_per_s: 20 },
  varies: true,
  connections: 200,
  threads: null,
  duration_s: 120,
  warmup_s: 10,
  timeout_s: 10,
  insecure_tls: false,
};

const step = (name: string, kind: string, request: string, n: number, errors: number, p50: number, misses: number | null): StepResult => ({
  name,
  kind,
  request,
  requests: n,
  errors,
  rate_per_s: (n - errors) / 120,
  response_ms: latency(n - errors, p50),
  service_ms: latency(n - errors, p50 * 0.98),
  judged_ms: null,
  misses,
  errors_by_class: errors > 0 ? [{ class: 'status', count: errors, sample: '503 Service Unavailable' }] : [],
  response_histogram: '',
  service_histogram: '',
  timeout_histogram: '',
});

const stage = (kind: string, start_s: number, from: number, to: number, share: number, p50: number): StageResult => ({
  kind,
  start_s,
  duration_s: 40,
  from,
  to,
  requests: Math.round(40 * ((from + to) / 2) * 4),
  errors: 0,
  rate_per_s: ((from + to) / 2) * 4 * share,
  response_ms: latency(Math.round(40 * ((from + to) / 2) * 4), p50),
  rate_share: share,
  lag_p99_ms: share < 0.99 ? 38 : 0.31,
  invalid_reason: share < 0.99 ? `${(share * 100).toFixed(1)} % of its rate was sent in time` : null,
});

/** How much slower a second is: from three fifths on, locks pile up. */
const slow = (s: number, total: number): number => (s > total * 0.6 ? 1 + Math.min(1.6, (s - total * 0.6) / 8) : 1);

interface Made {
  id: string;
  name: string;
  spec: RunSpec;
  ago: number;
  p50: number;
  rate: number;
  over?: Partial<Run>;
  disturbed?: boolean;
}
const MADE: Made[] = [
  { id: 'run-http', name: 'appointments, 32 connections', spec: HTTP, ago: 20 * MINUTE, p50: 11.8, rate: 2431, disturbed: true },
  {
    id: 'run-plan',
    name: 'log in, browse, book',
    spec: PLAN,
    ago: 55 * MINUTE,
    p50: 18.2,
    rate: 78.4,
    over: {
      target_rate_per_s: 20,
      iterations: 2391,
      valid: false,
      invalid_reasons: [
        '96.2 % of the target rate was sent in time; at least 99 % is needed: all connections were waiting for the target; use more connections or a lower rate',
      ],
      certificate: certificate({
        rate_share: 0.962,
        lag_p99_ms: 6.2,
        lag_limit_ms: 1.82,
        ceiling_per_s: null,
        ceiling_kind: null,
        ceiling_share: null,
        co_located: true,
        steady: false,
        autocorrelation: 0.71,
      }),
      notes: ['generator and target share this machine'],
      steps: [
        step('login', 'http', 'POST /login', 200, 0, 42, null),
        step('read the cache', 'cache', 'GET session:{{user}}', 2391, 0, 0.42, 312),
        step('browse', 'http', 'GET /appointments?limit=20', 2391, 9, 19.1, null),
        step('book', 'sql', "UPDATE appointments SET status = 'booked' WHERE id = $1", 120_400, 0, 4.6, null),
      ],
      stages: [stage('hold', 0, 10, 10, 1, 12.4), stage('ramp', 40, 10, 30, 0.998, 17.9), stage('hold', 80, 30, 30, 0.931, 41)],
      thresholds: [
        {
          text: 'p99 < 200ms',
          step: null,
          metric: 'p99',
          unit: 'ms',
          limit: 200,
          actual: 84,
          at_least: false,
          ok: true,
          unjudged: false,
          note: 'fewer than 10 000 samples',
        },
        {
          text: 'step:book p95 < 150ms',
          step: 'book',
          metric: 'p95',
          unit: 'ms',
          limit: 150,
          actual: 10.6,
          at_least: false,
          ok: true,
          unjudged: false,
          note: null,
        },
        {
          text: 'errors < 0.1%',
          step: null,
          metric: 'errors',
          unit: '%',
          limit: 0.1,
          actual: 0.12,
          at_least: false,
          ok: false,
          unjudged: false,
          note: null,
        },
      ],
      errors_by_class: [{ class: 'status', count: 9, sample: '503 Service Unavailable' }],
      errors: 9,
    },
    disturbed: true,
  },
  ...Array.from({ length: 34 }, (_, i): Made => {
    const n = 34 - i;
    return {
      id: `run-${n}`,
      name: `nightly ${n}`,
      spec: HTTP,
      ago: (i + 1) * 0.7 * DAY,
      p50: (n > 22 ? 11.6 : 8.4) * (1 + 0.06 * noise(n)),
      rate: (n > 22 ? 2440 : 3110) * (1 + 0.04 * noise(n * 7)),
      ...(n === 14 || n === 27
        ? { over: { valid: false, invalid_reasons: ['the load generator did not get the processor in time'], state: 'completed' as const } }
        : {}),
    };
  }),
  {
    id: 'run-k6',
    name: 'imported from k6',
    spec: { ...PLAN, load: { kind: 'closed' } },
    ago: 40 * DAY,
    p50: 9,
    rate: 800,
    over: {
      response_ms: null,
      schedule_lag_ms: null,
      client_cpu_s: null,
      engine: 'k6 1.4.0',
      state: 'aborted',
      certificate: certificate({
        generator_cpu_share: null,
        ceiling_share: null,
        ceiling_per_s: null,
        ceiling_kind: null,
        autocorrelation: null,
        steady: null,
      }),
    },
  },
];

function run(m: Made): Run {
  const started = NOW - m.ago;
  const seconds = m.spec.duration_s;
  const requests = Math.round(m.rate * seconds);
  const of = (s: number): number => (m.disturbed ? slow(s, seconds) : 1) * (1 + 0.08 * (noise(s * 31 + m.ago) - 0.5));
  const open = m.spec.load.kind === 'rate';
  return {
    schema: 'perfdeck.run/1',
    id: m.id,
    name: m.name,
    environment_id: 'prod',
    environment_name: 'clinic-prod',
    engine: 'perfdeck raw 0.1.0',
    spec: m.spec,
    resolved: ['10.1.4.20:443'],
    state: 'completed',
    started_ms: started,
    finished_ms: started + seconds * 1000,
    duration_s: seconds,
    requests,
    errors: 0,
    rate_per_s: m.rate,
    target_rate_per_s: null,
    bytes_received: requests * 5120,
    response_ms: latency(requests, m.p50),
    service_ms: latency(requests, m.p50 * 0.97),
    judged_ms: null,
    schedule_lag_ms: open ? latency(requests, 0.2) : null,
    client_cpu_s: seconds * 0.31,
    facts: {
      'version.database': 'PostgreSQL 16.3',
      'setting.database.work_mem': '64MB',
      'setting.database.shared_buffers': '8GB',
      'data.database.public.appointments': '4812330',
      'version.cache': 'Redis 7.2.5',
      'setting.cache.maxmemory': '2147483648',
      'data.cache.keys': '183201',
    },
    steps: [],
    stages: [],
    iterations: null,
    thresholds: [],
    valid: true,
    invalid_reasons: [],
    certificate: certificate(m.disturbed ? { steady: false, autocorrelation: 0.64 } : {}),
    notes: [],
    errors_by_class: [],
    statuses: [{ status: 200, count: requests }],
    intervals: Array.from({ length: seconds }, (_, s) => ({
      t_ms: started + s * 1000,
      duration_s: 1,
      requests: Math.round(m.rate / of(s)),
      errors: m.over?.errors && s % 13 === 7 ? 1 : 0,
      p50: m.p50 * of(s),
      p90: m.p50 * 1.7 * of(s + 1000),
      p99: m.p50 * 4.6 * of(s + 2000),
      max: m.p50 * 12 * of(s + 3000),
    })),
    curve: Array.from({ length: 60 }, (_, i) => {
      const q = 1 - 10 ** (-i / 12);
      const x = i / 12;
      return { q, ms: m.p50 * 0.5 * 10 ** (x < 0.3 ? x : 0.3 + 0.39 * (x - 0.3)), count: 0 };
    }),
    response_histogram: '',
    service_histogram: '',
    lag_histogram: '',
    timeout_histogram: '',
    machine: { os: 'Debian 13', cpu: 'AMD EPYC 9354', cores: 8, memory_bytes: 32 * 1024 ** 3, perfdeck: '0.1.0' },
    ...m.over,
  } as Run;
}

const summary = (m: Made): RunSummary => {
  const r = run(m);
  const l = r.response_ms ?? r.service_ms;
  return {
    id: r.id,
    name: r.name,
    environment_id: r.environment_id,
    request: r.spec.kind === 'http' ? `${r.spec.method} ${r.spec.url}` : r.spec.request,
    load: r.spec.load,
    connections: r.spec.connections,
    state: r.state,
    started_ms: r.started_ms,
    duration_s: r.duration_s,
    requests: r.requests,
    errors: r.errors,
    rate_per_s: r.rate_per_s,
    p50_ms: l.p50,
    p99_ms: l.p99,
    judged_ms: r.judged_ms,
    valid: r.valid,
    work: m.spec.kind,
  };
};

/** Counts of a column around a median: a body and a slower second mode. */
function cells(n: number, p50: number, seed: number): [number, number][] {
  const middle = 4 * Math.log2(p50 * 1000);
  const found: [number, number][] = [];
  for (let b = Math.floor(middle) - 6; b <= middle + 22; b += 1) {
    const z = (b - middle) / 2.1;
    const body = Math.exp(-z * z);
    const tail = b > middle ? 0.16 * Math.exp(-(b - middle) / 4.2) : 0;
    const second = 0.1 * Math.exp(-(((b - middle - 9) / 1.3) ** 2));
    const count = Math.round(n * 0.24 * (body + tail + second) * (0.6 + 0.8 * noise(b * 131 + seed)));
    if (count > 0) found.push([b, count]);
  }
  return found;
}

function heatmap(m: Made, most: number): Heatmap {
  const r = run(m);
  const column = Math.max(1, Math.ceil(r.duration_s / most));
  const columns = Array.from({ length: Math.ceil(r.duration_s / column) }, (_, i) =>
    cells((m.rate * column) / slow(i * column, r.duration_s), m.p50 * (m.disturbed ? slow(i * column, r.duration_s) : 1), i),
  );
  return { started_ms: r.started_ms, column_s: column, columns: m.id === 'run-k6' ? [] : columns };
}

function moved(m: Made): Moved[] {
  if (!m.disturbed) return [];
  const from = m.spec.duration_s * 0.6;
  const row = (series: string, after_s: number, before: number, after: number): Moved => ({
    series,
    at_ms: NOW - m.ago + (from + after_s) * 1000,
    after_s: from + after_s,
    before,
    after,
    change: before === 0 ? null : after / before - 1,
    p: 0.0004,
  });
  return [
    row('database.locks.waiting', 0.1, 1, 9),
    row('database.connections{state=active}', 0.9, 13, 31),
    row('run:p50', 1.4, m.p50, m.p50 * 2.4),
    row('run:rate', 1.6, m.rate, m.rate * 0.44),
    row('system.cpu.utilization{cpu.mode=iowait}', 2.1, 0, 0.17),
    row('run:p99', 2.4, m.p50 * 4.6, m.p50 * 11.2),
    row('custom.queue.depth{queue=mail}', 5.3, 12, 480),
  ];
}

function history(id: string): RunHistory {
  const work = MADE.find((m) => m.id === id)?.spec.kind;
  const runs: HistoryPoint[] = MADE.filter((m) => m.spec.kind === work && run(m).state === 'completed')
    .map(summary)
    .map((s) => ({
      run_id: s.id,
      name: s.name,
      started_ms: s.started_ms,
      rate_per_s: s.rate_per_s,
      p50_ms: s.p50_ms,
      p99_ms: s.p99_ms,
      valid: s.valid,
    }))
    .reverse();
  const change = (metric: string, before: number, after: number) => ({
    metric,
    run_id: 'run-23',
    before,
    after,
    change: after / before - 1,
    p: 0.00002,
  });
  return {
    runs,
    changes: work === 'http' ? [change('rate', 3172, 2489), change('p50', 8.65, 11.95), change('p99', 39.8, 55)] : [],
  };
}

/** One run a side: indicative only. */
function comparison(a: Made, b: Made): StoredComparison {
  const metric = (name: string, unit: string, from: number, to: number): MetricComparison => ({
    metric: name as MetricComparison['metric'],
    name,
    unit,
    primary: name === 'p99',
    effect: to / from - 1,
    low: to / from - 1.06,
    high: to / from - 0.94,
    p: null,
    p_holm: null,
    pairs: 1,
    verdict: 'inconclusive',
    a_median: from,
    b_median: to,
    delta: 0.1,
    band_low: -0.1,
    ratios: [],
    note: null,
  });
  return {
    id: `${a.id}-${b.id}`,
    name: `${a.name} and ${b.name}`,
    created_ms: NOW,
    label_a: a.name,
    label_b: b.name,
    environment_id: 'prod',
    schema: 'perfdeck.comparison/1',
    kind: 'indicative',
    verdict: 'inconclusive',
    sentence: 'Inconclusive: p99 one run a side is only indicative',
    level: 0.95,
    registration_hash: '',
    metrics: [metric('p99', 'ms', a.p50 * 4.6, b.p50 * 4.6), metric('p50', 'ms', a.p50, b.p50), metric('throughput', '/s', a.rate, b.rate)],
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
    runs_a: [a.id],
    runs_b: [b.id],
    drift: [],
    notes: [],
  };
}

const point = (
  concurrency: number,
  phase: KneePoint['step']['phase'],
  rate: number,
  ms: number,
  cpu: number,
  holds: boolean,
): KneePoint => ({
  step: { concurrency, phase, duration_s: phase === 'confirming' ? 30 : 10 },
  figures: {
    rate_per_s: rate,
    n: Math.round(rate * 10),
    latency_ms: ms,
    at_least: false,
    enough: concurrency > 1,
    within: holds,
    error_share: concurrency === 256 ? 0.004 : 0,
    invalid_reasons: [],
    utilisation: { 'host CPU': cpu, 'load generator': cpu * 0.3 },
  },
  holds,
  unjudged: false,
});
const KNEE: StoredKnee = {
  id: 'knee-1',
  name: 'GET https://api.clinic.example/appointments?limit=20',
  created_ms: NOW - 3 * 60 * MINUTE,
  environment_id: 'prod',
  slo: 'p99<50ms',
  schema: 'perfdeck.knee/1',
  state: 'found',
  concurrency: 56,
  failing: 60,
  rate_per_s: 2412,
  capacity: { low: 2330, high: 2490 },
  capacity_measured: false,
  usl: { gamma: 156, alpha: 0.0285, beta: 0.00042, scatter: 0.021, peak_n: 48.1, capacity: 2470 },
  usl_interval: null,
  saturation: {
    resource: 'host CPU',
    utilisation: 0.93,
    concurrency: 56,
    evidence: 'flattened_first',
    text: 'The CPU of the host stopped growing first, at 93 % from 56 connections on.',
  },
  points: [
    point(1, 'doubling', 151, 9.2, 0.09, true),
    point(2, 'doubling', 296, 9.6, 0.16, true),
    point(4, 'doubling', 555, 11, 0.29, true),
    point(8, 'doubling', 998, 14, 0.48, true),
    point(16, 'doubling', 1620, 19, 0.68, true),
    point(32, 'doubling', 2170, 29, 0.86, true),
    point(64, 'doubling', 2440, 58, 0.94, false),
    point(48, 'bisecting', 2360, 41, 0.91, true),
    point(56, 'bisecting', 2415, 47, 0.93, true),
    point(60, 'bisecting', 2428, 53, 0.93, false),
    point(256, 'bisecting', 1810, 310, 0.97, false),
    point(56, 'confirming', 2412, 48, 0.93, true),
  ],
  sentence: 'p99 stays below 50 ms up to 56 connections: 2 412 requests/s (95 % interval 2 330 to 2 490); at 60 it is 53 ms',
  notes: [],
};

/** Findings that can be deleted and restored. */
class Shelf<T extends { id: string }> {
  private hidden = new Set<string>();
  constructor(private all: readonly T[]) {}
  shown = (): T[] => this.all.filter((f) => !this.hidden.has(f.id));
  get(id: string): T {
    const found = this.all.find((f) => f.id === id);
    if (!found) throw { code: 'not_found', message: `There is no '${id}'`, hint: null, retryable: false };
    return found;
  }
  hide(id: string, on: boolean): boolean {
    if (on) this.hidden.add(id);
    else this.hidden.delete(id);
    return true;
  }
}

export class MockBench {
  comparisons: Shelf<StoredComparison>;
  knees: Shelf<StoredKnee>;
  made: Made[];
  baselines: Baseline[];
  deleted: Made[] = [];
  running: { job: JobStatus; spec: RunSpec; from: number; requests: number; knee: boolean } | null = null;

  constructor(empty: boolean) {
    this.made = empty ? [] : [...MADE];
    this.comparisons = new Shelf(empty ? [] : [comparison(MADE[1]!, MADE[0]!)]);
    this.knees = new Shelf(
      empty
        ? []
        : [
            KNEE,
            {
              ...KNEE,
              id: 'knee-0',
              name: 'GET /appointments of release 2.40',
              created_ms: KNEE.created_ms - 9 * DAY,
              state: 'beyond_max',
              slo: 'p99<200ms',
              sentence: 'p99 stays below 200 ms up to 256 connections, the most that was allowed',
            },
          ],
    );
    this.baselines = empty
      ? []
      : [
          { name: 'nightly', run_id: 'run-34', created_ms: NOW - DAY },
          { name: 'release 2.40', run_id: 'run-20', created_ms: NOW - 12 * DAY },
        ];
  }

  #get(id: string): Made {
    const found = this.made.find((m) => m.id === id);
    if (!found) throw { code: 'not_found', message: `There is no run '${id}'`, hint: null, retryable: false };
    return found;
  }

  start(spec: RunSpec, title: string, knee = false): JobStatus {
    const started = { ...job('bench', 'bench', title, Date.now(), 0), step: 'connecting' };
    this.running = { job: started, spec, from: Date.now(), requests: 0, knee };
    return started;
  }

  stop(): void {
    if (this.running) this.running.job = { ...this.running.job, state: 'cancelled', result: 'run-http' };
    this.running = null;
  }

  /** A frame of the benchmark that runs, ten a second. */
  live(): BenchLive | null {
    const r = this.running;
    if (!r || r.job.state !== 'running') return null;
    const elapsed = (Date.now() - r.from) / 1000;
    const total = r.spec.duration_s + r.spec.warmup_s;
    if (elapsed >= total) {
      r.job = { ...r.job, state: 'done', progress: 1, result: r.knee ? 'knee/knee-1' : 'run-http' };
      return null;
    }
    r.job = { ...r.job, progress: elapsed / total, step: r.knee ? '32 connections, measuring' : 'measuring' };
    const tick = Math.floor(elapsed * 10);
    const factor = slow(elapsed, total) * (1 + 0.1 * (noise(tick) - 0.5));
    const measuring = elapsed > r.spec.warmup_s;
    if (measuring) r.requests += Math.round(243 / factor);
    const open = r.spec.load.kind === 'rate';
    return {
      run_id: 'live',
      phase: measuring ? 'measuring' : 'warm_up',
      elapsed_s: elapsed,
      total_s: total,
      at_ms: Date.now(),
      requests: r.requests,
      errors: Math.floor(elapsed / 7),
      in_flight: Math.round(r.spec.connections * (0.7 + 0.2 * noise(tick * 3))),
      rate_per_s: 2431 / factor,
      target_rate_per_s: r.spec.load.kind === 'rate' ? r.spec.load.rate_per_s : null,
      p50_ms: 11.8 * factor,
      p90_ms: 20 * factor,
      p99_ms: 54 * factor * (1 + 0.3 * noise(tick * 7)),
      max_ms: 120 * factor,
      lag_p99_ms: open ? 0.4 + noise(tick * 5) : null,
      heat: cells(243 / factor, 11.8 * factor, tick),
    };
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  call(name: string, p: any): unknown {
    switch (name) {
      case 'run.list':
        return this.made.map(summary);
      case 'run.get':
        return run(this.#get(p.id));
      case 'run.rename':
        this.made = this.made.map((m) => (m.id === p.id ? { ...m, name: p.name } : m));
        return run(this.#get(p.id));
      case 'run.delete':
        this.deleted.push(this.#get(p.id));
        this.made = this.made.filter((m) => m.id !== p.id);
        return { id: p.id, undo_until_ms: Date.now() + 60_000 };
      case 'run.restore':
        this.made = [...this.deleted.filter((m) => m.id === p.id), ...this.made];
        return run(this.#get(p.id));
      case 'run.heatmap':
        return heatmap(this.#get(p.id), p.columns);
      case 'run.moved':
        return moved(this.#get(p.id));
      case 'run.history':
        return history(p.id);
      case 'baseline.list':
        return this.baselines;
      case 'baseline.set': {
        const made = { name: p.name, run_id: p.run_id, created_ms: Date.now() };
        this.baselines = [...this.baselines.filter((b) => b.name !== p.name), made];
        return made;
      }
      case 'baseline.delete':
        this.baselines = this.baselines.filter((b) => b.name !== p.text);
        return true;
      case 'comparison.list':
        return this.comparisons.shown();
      case 'comparison.get':
        return this.comparisons.get(p.id);
      case 'comparison.delete':
        return this.comparisons.hide(p.id, true);
      case 'comparison.restore':
        return this.comparisons.hide(p.id, false);
      case 'compare.runs':
        return comparison(this.#get(p.a), this.#get(p.b));
      case 'knee.list':
        return this.knees.shown();
      case 'knee.get':
        return this.knees.get(p.id);
      case 'knee.delete':
        return this.knees.hide(p.id, true);
      case 'knee.restore':
        return this.knees.hide(p.id, false);
      case 'knee.start':
        return this.start({ ...p.spec, duration_s: 20, warmup_s: 1 }, `Knee at ${p.slo}`, true);
      case 'bench.start':
        return this.start(p.spec.kind === 'plan' ? { ...PLAN, toml: p.spec.toml, duration_s: 40 } : p.spec, p.name ?? 'made-up benchmark');
      case 'bench.running':
        return this.running?.job.state === 'running' ? { job: this.running.job, spec: this.running.spec } : null;
      default:
        return undefined;
    }
  }

  /** The period that a run's series are taken from. */
  range(id: string): [number, number] {
    const r = run(this.#get(id));
    return [r.started_ms, r.finished_ms];
  }
}

// Made-up environments, targets and findings.
import type {
  Address,
  AppInfo,
  ConnectionReport,
  Environment,
  EnvironmentDraft,
  Finding,
  FoundService,
  JobStatus,
  Kind,
  KindDefaults,
  TargetStatus,
  DatabaseActivity,
  RunningStatement,
  JournalEntry,
} from '../types';

export const INFO: AppInfo = {
  version: '0.1.0',
  platform: 'made-up',
  data_dir: '/home/reader/.local/share/perfdeck',
  store_bytes: 182e6,
  secrets: { store: 'keychain', locked: false },
};

export const DEFAULTS: Record<Kind, KindDefaults> = {
  development: {
    pool: { size: 5, max_overflow: 5, timeout_s: 10, recycle_s: 1800 },
    guards: {
      read_only: false,
      typed_confirmation: false,
      max_rate_per_s: null,
      max_error_share: null,
      min_free_connections: null,
      never_production: false,
    },
    cache_default_ttl_s: 60,
    differences: [],
  },
  staging: {
    pool: { size: 10, max_overflow: 10, timeout_s: 30, recycle_s: 3600 },
    guards: {
      read_only: false,
      typed_confirmation: false,
      max_rate_per_s: 5000,
      max_error_share: 0.5,
      min_free_connections: 0.02,
      never_production: false,
    },
    cache_default_ttl_s: 600,
    differences: [],
  },
  production: {
    pool: { size: 20, max_overflow: 10, timeout_s: 30, recycle_s: 3600 },
    guards: {
      read_only: true,
      typed_confirmation: true,
      max_rate_per_s: 100,
      max_error_share: 0.05,
      min_free_connections: 0.1,
      never_production: false,
    },
    cache_default_ttl_s: 3600,
    differences: [],
  },
};

const address = (scheme: 'postgres' | 'redis', host: string, path: string): Address => ({
  scheme,
  hosts: [{ host, port: scheme === 'redis' ? 6379 : 5432 }],
  path,
  username: scheme === 'redis' ? null : 'reader',
  tls: 'verify',
  params: {},
});

export function environment(id: string, name: string, kind: Kind): Environment {
  return {
    id,
    name,
    kind,
    targets: {
      database: { address: address('postgres', 'db-1.clinic.example', 'clinic'), password: { kind: 'keychain' } },
      cache: {
        address: address('redis', 'cache-1.clinic.example', '0'),
        mode: 'single',
        sentinel_master: null,
        sentinel_password: { kind: 'none' },
        password: { kind: 'none' },
        default_ttl_s: 3600,
      },
      api: { url: 'https://api.clinic.example', probe_path: '/health', headers: [], authorization: { kind: 'none' } },
      host: { url: 'local', secret: { kind: 'none' } },
      frontend: null,
    },
    pool: DEFAULTS[kind].pool,
    guards: DEFAULTS[kind].guards,
    created_ms: 0,
    updated_ms: 0,
  };
}

export function draftOf(e: Environment): EnvironmentDraft {
  return {
    name: e.name,
    kind: e.kind,
    targets: {
      database: 'postgres://reader@db-1.clinic.example:5432/clinic?sslmode=verify-full',
      database_password: { kind: 'keep' },
      cache: 'rediss://cache-1.clinic.example:6379/0',
      cache_password: { kind: 'keep' },
      cache_sentinel_password: { kind: 'keep' },
      cache_default_ttl_s: 3600,
      api: 'https://api.clinic.example',
      api_probe_path: '/health',
      api_headers: [],
      api_authorization: { kind: 'keep' },
      host: 'local',
      host_secret: { kind: 'keep' },
      frontend: null,
    },
    pool: e.pool,
    guards: e.guards,
  };
}

const up = { state: 'up', last_sample_ms: 0, next_try_ms: null, error: null, own_requests: 2 } as const;
export function targets(nowMs: number): TargetStatus[] {
  const fresh = { ...up, last_sample_ms: nowMs };
  return [
    {
      ...fresh,
      role: 'api',
      address: 'https://api.clinic.example',
      version: null,
      detail: 'api.clinic.example',
      round_trip_ms: 3.1,
      limits: {},
    },
    {
      ...fresh,
      role: 'host',
      state: 'down',
      address: 'local',
      version: null,
      detail: '4 vCPU, 15.6 GiB',
      round_trip_ms: null,
      last_sample_ms: nowMs - 14_000,
      next_try_ms: nowMs + 6000,
      error: { code: 'unreachable', message: 'db-1 does not answer', hint: 'Is it on?', retryable: true },
      limits: { cpus: 4, memory_total: 15.6 * 1024 ** 3 },
    },
    {
      ...fresh,
      role: 'database',
      address: 'db-1.clinic.example:5432',
      version: 'PostgreSQL 17.6',
      detail: 'clinic',
      round_trip_ms: 1.2,
      limits: { max_connections: 100 },
    },
    {
      ...fresh,
      role: 'cache',
      address: 'cache-1.clinic.example:6379',
      version: 'Valkey 8.1',
      detail: 'cache-1',
      round_trip_ms: 0.4,
      limits: { maxmemory: 3 * 1024 ** 3 },
    },
  ];
}

const finding = (
  id: string,
  target: Finding['target'],
  title: string,
  evidence: string,
  cost: number,
  label: string,
  route: string,
): Finding => ({ id, kind: id, target, title, evidence, cost, action: { label, route } });
export const FINDINGS: Finding[] = [
  finding(
    'scan',
    'database',
    'Sequential scan on `appointments`',
    '38 % of database time, 214 calls/min',
    0.38,
    'Review index',
    '/database',
  ),
  finding('duplicate', 'database', '`users_email_idx` repeats another index', '41 MiB', 0.1, 'Review index', '/database'),
  finding('expiry', 'cache', '12 % of keys never expire', '506 000 keys hold 361 MB', 0.3, 'Open cache map', '/cache'),
  finding('plain', 'api', '`/analytics` is sent uncompressed', '1.8 MB each, 0.24 MB with zstd', 0.2, 'Try zstd', '/gateway'),
];

export const FOUND: FoundService[] = [
  {
    role: 'database',
    product: 'PostgreSQL 17.6',
    address: '127.0.0.1:5432',
    detail: '3 databases, needs a password',
    url: 'postgres://127.0.0.1:5432/',
  },
  { role: 'cache', product: 'Valkey 8.1', address: '127.0.0.1:6379', detail: 'open, 12\u2009400 keys', url: 'redis://127.0.0.1:6379/0' },
  { role: 'api', product: 'HTTP', address: '127.0.0.1:8000', detail: 'uvicorn, answers in 4\u2009ms', url: 'http://127.0.0.1:8000' },
  {
    role: 'database',
    product: 'SQLite',
    address: '~/clinic/dev.db',
    detail: '84\u2009MB, changed 6\u2009min ago',
    url: 'sqlite:/home/reader/clinic/dev.db',
  },
];

export const REPORT: ConnectionReport = {
  role: 'database',
  address: 'db-1.clinic.example:5432/clinic',
  ok: true,
  version: 'PostgreSQL 17.6',
  error: null,
  stages: [
    { stage: 'address', outcome: 'ok', detail: 'read', fix: null, elapsed_ms: 0 },
    { stage: 'dns', outcome: 'ok', detail: '10.1.4.20', fix: null, elapsed_ms: 3 },
    { stage: 'tcp', outcome: 'ok', detail: 'port 5432 answers', fix: null, elapsed_ms: 21 },
    { stage: 'tls', outcome: 'ok', detail: 'TLS 1.3, certificate until 2027-03-01', fix: null, elapsed_ms: 24 },
    { stage: 'authentication', outcome: 'ok', detail: 'reader', fix: null, elapsed_ms: 30 },
    { stage: 'version', outcome: 'ok', detail: 'PostgreSQL 17.6', fix: null, elapsed_ms: 2 },
    {
      stage: 'privileges',
      outcome: 'warning',
      detail: 'reader does not see the statements of others',
      fix: 'GRANT pg_read_all_stats TO reader;',
      elapsed_ms: 2,
    },
    { stage: 'extensions', outcome: 'skipped', detail: 'not tried', fix: null, elapsed_ms: 0 },
  ],
};

export const job = (id: string, kind: string, title: string, startedMs: number, progress: number): JobStatus => ({
  id,
  kind,
  title,
  environment_id: null,
  state: progress < 1 ? 'running' : 'done',
  progress,
  step: 'reading',
  started_ms: startedMs,
  finished_ms: null,
  cancellable: true,
  error: null,
  result: null,
});

const STATEMENTS: RunningStatement[] = [
  {
    id: 41_233,
    user: 'etl',
    database: 'clinic',
    application: 'analytics-export',
    state: 'active',
    wait: null,
    running_s: 221,
    transaction_s: 221,
    blocked_by: [],
    statement:
      'SELECT a.staff_id, count(*) FROM appointments a JOIN payments p ON p.appointment_id = a.id WHERE a.starts_at > ? GROUP BY ?',
  },
  {
    id: 41_377,
    user: 'app',
    database: 'clinic',
    application: 'api',
    state: 'active',
    wait: 'Lock: transactionid',
    running_s: 1.9,
    transaction_s: 2.1,
    blocked_by: [41_233],
    statement: 'UPDATE appointments SET status = ? WHERE id = $1',
  },
];

export const ACTIVITY: DatabaseActivity = { statements: STATEMENTS, hidden: 0, grant: null };

const entry = (
  minutes: number,
  kind: JournalEntry['kind'],
  environment: string,
  text: string,
  run_id: string | null = null,
): JournalEntry => ({
  at_ms: Date.now() - minutes * 60_000,
  kind,
  environment_id: environment === 'clinic-staging' ? 'stage' : 'prod',
  environment,
  text,
  run_id,
});

export const JOURNAL: JournalEntry[] = [
  entry(2, 'load_ended', 'clinic-staging', 'ran to its end; 12400 requests, 3 failed, in 62.0 s', 'run-http'),
  entry(3, 'load_started', 'clinic-staging', 'GET https://stage.clinic.example/appointments at 200/s on 10.1.4.20, 10.1.4.21', 'run-http'),
  entry(9, 'load_refused', 'clinic-prod', "GET /appointments at 500/s: 500 requests/s is over the cap of 100 requests/s of 'clinic-prod'"),
  entry(31, 'unlocked', 'clinic-prod', 'changes are allowed for 15 minutes'),
  entry(1500, 'changed', 'clinic-staging', 'staging: https://stage.clinic.example, postgres://10.1.4.30:5432/clinic'),
];

// A backend that makes everything up, for `vite dev` with ?mock: `?mock` has a production environment open,
// `?mock=empty` is the first start. Never part of a build.
import type { Backend } from '../index';
import type { AddressInfo, ApiError, Environment, EnvironmentDraft, EnvironmentSummary, Frame, JobStatus, TargetRole } from '../types';
import { TEMPLATES } from '../../screens/benchmarks/plans/templates';
import { MockBench } from './bench';
import { ACTIVITY, DEFAULTS, draftOf, environment, FINDINGS, FOUND, INFO, job, REPORT, targets, JOURNAL } from './data';
import { MockPlans } from './plans';
import { historyBytes, INFOS, MADE, valueAt } from './series';

const empty = new URLSearchParams(location.search).get('mock') === 'empty';
const refuse = (message: string, hint: string | null = null): ApiError => ({ code: 'bad_request', message, hint, retryable: false });

function parse(text: string): AddressInfo {
  const found = /^(postgres|mysql|mariadb|redis|https?):\/\/(?:([^:@/]*)(:[^@/]*)?@)?([^:/?]+)(?::(\d+))?\/?([^?]*)/.exec(text.trim());
  if (!found) throw refuse(`'${text}' has no scheme`, 'Write postgres://user@host/database or redis://host:6379/0');
  const [, scheme = '', user, password, host = '', port, path = ''] = found;
  const role: TargetRole = scheme === 'redis' ? 'cache' : scheme.startsWith('http') ? 'api' : 'database';
  return {
    address: {
      scheme: scheme as AddressInfo['address']['scheme'],
      hosts: [{ host, port: Number(port ?? (role === 'cache' ? 6379 : 5432)) }],
      path,
      username: user || null,
      tls: 'verify',
      params: {},
    },
    role,
    has_password: password !== undefined,
    product: { postgres: 'PostgreSQL', mysql: 'MySQL', mariadb: 'MariaDB', redis: 'Redis' }[scheme] ?? 'HTTP',
    short: host,
    url: text,
  };
}

class Mock {
  all: Environment[] = empty ? [] : [environment('prod', 'clinic-prod', 'production'), environment('stage', 'clinic-staging', 'staging')];
  deleted: Environment[] = [];
  bench = new MockBench(empty);
  plans = new MockPlans(
    empty,
    TEMPLATES.slice(0, 3).map((t) => t.toml),
  );
  unlocked = new Map<string, number>();
  jobs: JobStatus[] = empty ? [] : [job('scan', 'cache', 'Cache scan', Date.now() - 12_000, 0.04)];

  list = (): EnvironmentSummary[] => [
    ...this.all.map((e) => ({
      id: e.id,
      name: e.name,
      kind: e.kind,
      demo: false,
      targets: (['api', 'host', 'database', 'cache'] as const).map((r): [TargetRole, string] => [r, r]),
      runs: 0,
      read_only: e.guards.read_only,
      unlocked_until_ms: this.unlocked.get(e.id) ?? null,
    })),
    { id: 'demo', name: 'demo', kind: 'development', demo: true, targets: [], runs: 0, read_only: false, unlocked_until_ms: null },
  ];
  get = (id: string): Environment => this.all.find((e) => e.id === id) ?? environment('demo', 'demo', 'development');
  save(draft: EnvironmentDraft, id: string): Environment {
    if (!draft.name.trim()) throw refuse('name: An environment needs a name of 1 to 64 characters', "For example 'clinic staging'");
    const made = {
      ...environment(id, draft.name, draft.kind),
      pool: draft.pool ?? DEFAULTS[draft.kind].pool,
      guards: draft.guards ?? DEFAULTS[draft.kind].guards,
    };
    this.all = [...this.all.filter((e) => e.id !== id), made];
    return made;
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  call(name: string, p: any): unknown {
    const made = this.bench.call(name, p) ?? this.plans.call(name, p);
    if (made !== undefined) return made;
    const guarded = this.all.find((e) => e.id === p.environment_id);
    switch (name) {
      case 'journal.list':
        return empty ? [] : JOURNAL.filter((e) => !p.environment_id || e.environment_id === p.environment_id);
      case 'bench.preview':
        return {
          resolved: ['10.1.4.20:443', '10.1.4.21:443'],
          loopback: false,
          guard: null,
          confirm: guarded && (guarded.guards.typed_confirmation || guarded.kind === 'staging') ? guarded.name : null,
          evidence: guarded?.kind === 'staging' ? ['143 clients are connected to its database'] : [],
          problem: null,
        };
      case 'run.series':
        return historyBytes(...this.bench.range(p.id));
      case 'app.info':
        return INFO;
      case 'env.list':
        return this.list();
      case 'env.get':
        return this.get(p.id);
      case 'env.draft':
        return draftOf(this.get(p.id));
      case 'env.defaults':
        return DEFAULTS[p.kind as keyof typeof DEFAULTS];
      case 'env.create':
        return this.save(p.draft, `e${this.all.length + 1}`);
      case 'env.update':
        return this.save(p.draft, p.id);
      case 'env.duplicate':
        return this.save({ ...draftOf(this.get(p.id)), name: `${this.get(p.id).name} copy` }, `e${this.all.length + 1}`);
      case 'env.delete':
        this.deleted.push(this.get(p.id));
        this.all = this.all.filter((e) => e.id !== p.id);
        return { id: p.id, undo_until_ms: Date.now() + 60_000 };
      case 'env.restore':
        this.all = [...this.all, ...this.deleted.filter((e) => e.id === p.id)];
        return this.get(p.id);
      case 'env.unlock':
        if (p.confirm !== this.get(p.id).name) throw { ...refuse('The name is another one'), code: 'guarded' };
        this.unlocked.set(p.id, Date.now() + 900_000);
        return Date.now() + 900_000;
      case 'env.lock':
        return this.unlocked.delete(p.id);
      case 'db.activity':
        return ACTIVITY;
      case 'bench.running':
        return null;
      case 'env.test':
      case 'env.test_draft':
        return [REPORT];
      case 'env.from_dotenv':
        return { draft: { ...draftOf(this.get('demo')), name: 'clinic' }, notes: [] };
      case 'address.parse':
        return parse(p.text);
      case 'discover.services':
        return FOUND;
      case 'demo.open':
        return (this.jobs = [job('demo', 'demo', 'Demo environment', Date.now(), 0.3)])[0];
      case 'job.get':
        return job(
          'demo',
          'demo',
          'Demo environment',
          this.jobs[0]?.started_ms ?? 0,
          Math.min(1, (Date.now() - (this.jobs[0]?.started_ms ?? 0)) / 3000),
        );
      case 'job.list':
        return [...this.jobs, ...(this.bench.running ? [this.bench.running.job] : [])];
      case 'job.cancel':
        if (p.id === 'bench') {
          this.bench.stop();
          return true;
        }
      // falls through
      case 'job.dismiss':
        this.jobs = this.jobs.filter((j) => j.id !== p.id);
        return true;
      case 'monitor.start':
      case 'monitor.targets':
        return targets(Date.now());
      case 'monitor.series':
        return INFOS;
      case 'monitor.catalogue':
        return [];
      case 'monitor.history':
        return historyBytes(p.from_ms, p.to_ms);
      case 'findings.list':
        return FINDINGS;
      case 'report.list':
        return [];
      case 'secrets.status':
      case 'secrets.unlock':
        return INFO.secrets;
      default:
        throw { ...refuse(`${name} is not made up`), code: 'unsupported' };
    }
  }
}

export function mock(): Backend {
  const made = new Mock();
  const kept = new Map<string, unknown>(empty ? [] : [['environment', 'prod']]);
  return {
    kind: 'browser',
    call: async (name, params) => made.call(name, params),
    watch(environmentId, onFrame, onState) {
      let seq = 0;
      const tick = (): void => {
        const second = Math.floor(Date.now() / 1000);
        const frame: Frame = {
          seq: (seq += 1),
          kind: seq === 1 ? 'snapshot' : 'delta',
          environment_id: environmentId,
          at_ms: Date.now(),
          t: environmentId === null ? [] : [second * 1000],
          series: environmentId === null ? {} : Object.fromEntries(MADE.map((m) => [m.id, [valueAt(m, second)]])),
          targets: environmentId === null ? [] : targets(Date.now()),
          jobs: made.jobs,
          bench: null as Frame['bench'],
          own: { cpu: 0.007, memory_bytes: 214e6, dropped_frames: 0, store_bytes: 182e6 },
          changed: [],
        };
        onFrame(frame);
      };
      onState(null);
      const timer = setInterval(tick, 1000);
      const fast = setInterval(() => {
        const bench = made.bench.live();
        if (!bench) return;
        onFrame({
          seq: (seq += 1),
          kind: 'delta',
          environment_id: environmentId,
          at_ms: Date.now(),
          t: [],
          series: {},
          targets: null,
          jobs: [...made.jobs, ...(made.bench.running ? [made.bench.running.job] : [])],
          bench,
          own: null,
          changed: [],
        });
      }, 100);
      queueMicrotask(tick);
      return () => {
        clearInterval(timer);
        clearInterval(fast);
      };
    },
    getPreference: async (key) => kept.get(key) ?? (JSON.parse(localStorage.getItem(`perfdeck.${key}`) ?? 'null') as unknown) ?? undefined,
    setPreference: async (key, value) => void kept.set(key, value),
  };
}

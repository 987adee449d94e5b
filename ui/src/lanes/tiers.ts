// Which lanes the overview has, from the environment's targets and the series that exist.
import type { Colour } from '../charts/palette';
import type { LaneSeries, LaneSpec } from '../charts/lane';
import { axisLabel, bytes, integer } from '../kit/figures';

export type Role = 'api' | 'host' | 'database' | 'cache';

/** What is known of a target. */
export interface TargetFacts {
  role: string;
  address: string;
  version: string | null;
  detail: string | null;
  limits: Record<string, number | undefined>;
}

export interface Tier {
  role: Role;
  name: string;
  about: string;
  detail: string;
  configured: boolean;
  lanes: LaneSpec[];
}

const NEEDS: Record<Role, string> = {
  api: 'needs an HTTP address',
  host: 'needs this machine, SSH or Prometheus',
  database: 'needs a SQL database',
  cache: 'needs Redis or Valkey',
};
const NAMES: Record<Role, string> = { api: 'API', host: 'Host', database: 'Database', cache: 'Cache' };
const ABOUT: Record<Role, string> = {
  api: 'RED: rate, errors, duration',
  host: 'USE: utilisation, saturation, errors',
  database: 'connections, throughput, waits',
  cache: 'operations, hits, memory',
};
export const ROLES: readonly Role[] = ['api', 'host', 'database', 'cache'];

const one = (id: string, label: string, colour: Colour = 'ink'): LaneSeries[] => [{ id, label, colour }];

/** Series of one metric split by an attribute, those that exist, in the given order from the bottom up. */
function split(
  has: (id: string) => boolean,
  metric: string,
  key: string,
  parts: readonly [string, string, Colour][],
  all: boolean,
): LaneSeries[] {
  const found = parts.map(([v, label, colour]) => ({ id: `${metric}{${key}=${v}}`, label, colour }));
  const existing = found.filter((s) => has(s.id));
  return existing.length > 0 || !all ? existing : found;
}

function apiLanes(has: (id: string) => boolean): LaneSpec[] {
  const lanes: LaneSpec[] = [];
  if (has('http.server.requests')) {
    lanes.push({
      key: 'requests',
      title: 'Requests',
      what: 'per second',
      unit: 'per_second',
      kind: 'fill',
      height: 40,
      series: one('http.server.requests', 'rate'),
      scale: { kind: 'zero', atLeast: 10 },
    });
  }
  if (has('http.server.errors')) {
    lanes.push({
      key: 'errors',
      title: 'Errors',
      what: '5xx, timeouts',
      unit: 'ratio',
      kind: 'bars',
      height: 32,
      series: one('http.server.errors', 'failed', 'bad'),
      scale: { kind: 'zero', atLeast: 0.027, cap: 1 },
    });
  }
  const latency = split(
    has,
    'http.server.duration',
    'quantile',
    [
      ['p50', 'p50', 'q50'],
      ['p95', 'p95', 'q95'],
      ['p99', 'p99', 'q99'],
    ],
    false,
  );
  if (latency.length > 0) {
    lanes.push({
      key: 'latency',
      title: 'Latency',
      what: 'p99 if n ≥ 100',
      unit: 'seconds',
      kind: 'line',
      height: 88,
      series: latency,
      scale: { kind: 'log' },
    });
  }
  const phases = split(
    has,
    'api.probe.duration',
    'phase',
    [
      ['dns', 'dns', 'c4'],
      ['connect', 'connect', 'c3'],
      ['tls', 'tls', 'c2'],
      ['first_byte', 'first byte', 'c1'],
    ],
    true,
  );
  lanes.push({
    key: 'probe',
    title: 'Probe',
    what: 'once a second',
    unit: 'seconds',
    kind: 'stack',
    height: 60,
    series: phases,
    scale: { kind: 'zero', atLeast: 0.001 },
  });
  if (latency.length === 0) {
    lanes.push({
      key: 'probe-failures',
      title: 'Probe failures',
      what: '5xx, timeouts',
      unit: 'count',
      kind: 'bars',
      height: 36,
      series: one('api.probe.failed', 'failed', 'bad'),
      scale: { kind: 'zero', atLeast: 0.9 },
    });
  }
  return lanes;
}

function hostLanes(has: (id: string) => boolean, limits: Record<string, number | undefined>): LaneSpec[] {
  const modes = has('system.cpu.utilization{cpu.mode=used}')
    ? one('system.cpu.utilization{cpu.mode=used}', 'used', 'c1')
    : split(
        has,
        'system.cpu.utilization',
        'cpu.mode',
        [
          ['user', 'user', 'c1'],
          ['system', 'system', 'c3'],
          ['iowait', 'iowait', 'c2'],
        ],
        true,
      );
  const memory = limits['memory_total'];
  const cpus = limits['cpus'];
  const lanes: LaneSpec[] = [
    {
      key: 'cpu',
      title: 'CPU',
      what: 'by mode',
      unit: 'ratio',
      kind: 'stack',
      height: 52,
      series: modes,
      scale: { kind: 'zero', upTo: 1, cap: 1 },
    },
    {
      key: 'memory',
      title: 'Memory',
      what: 'used',
      unit: 'bytes',
      kind: 'fill',
      height: 32,
      series: one('system.memory.usage', 'used'),
      scale: memory ? { kind: 'zero', upTo: memory } : { kind: 'zero' },
    },
    {
      key: 'disk',
      title: 'Disk',
      what: 'per second',
      unit: 'bytes_per_second',
      kind: 'line',
      height: 44,
      series: split(
        has,
        'system.disk.io',
        'disk.io.direction',
        [
          ['write', 'write', 'c2'],
          ['read', 'read', 'c1'],
        ],
        true,
      ),
      scale: { kind: 'zero', atLeast: 1e6 },
    },
    {
      key: 'network',
      title: 'Network',
      what: 'per second',
      unit: 'bytes_per_second',
      kind: 'line',
      height: 40,
      series: split(
        has,
        'system.network.io',
        'network.io.direction',
        [
          ['transmit', 'out', 'c2'],
          ['receive', 'in', 'c1'],
        ],
        true,
      ),
      scale: { kind: 'zero', atLeast: 1e5 },
    },
  ];
  const load: LaneSpec = {
    key: 'load',
    title: 'Load',
    what: 'runnable, 1 min',
    unit: 'count',
    kind: 'line',
    height: 36,
    series: one('system.linux.load{period=1m}', '1 min'),
    scale: { kind: 'zero', atLeast: (cpus ?? 1) * 1.2 },
  };
  if (cpus) load.reference = { value: cpus, label: `${integer(cpus)} vCPU`, at: 'axis' };
  if (has('system.linux.load{period=1m}')) lanes.push(load);
  return lanes;
}

function databaseLanes(has: (id: string) => boolean, limits: Record<string, number | undefined>, cpus: number | undefined): LaneSpec[] {
  const max = limits['max_connections'];
  const states = split(
    has,
    'database.connections',
    'state',
    [
      ['active', 'active', 'c1'],
      ['idle_in_transaction', 'idle in tx', 'c2'],
      ['idle', 'idle', 'c-other'],
    ],
    true,
  );
  const connections: LaneSpec = {
    key: 'connections',
    title: 'Connections',
    what: max ? `by state, max ${integer(max)}` : 'by state',
    unit: 'count',
    kind: 'stack',
    height: 52,
    series: states,
    scale: max ? { kind: 'zero', upTo: max, from: 0.2, atLeast: 4 } : { kind: 'zero', atLeast: 4 },
  };
  if (max) {
    connections.topText = `${integer(max)} max`;
    connections.threshold = { value: max, label: '', at: 'axis' };
  }
  const lanes: LaneSpec[] = [
    connections,
    {
      key: 'transactions',
      title: 'Transactions',
      what: 'per second',
      unit: 'per_second',
      kind: 'fill',
      height: 36,
      series: one('database.transactions', 'committed'),
      scale: { kind: 'zero', atLeast: 5 },
    },
    {
      key: 'buffer-hits',
      title: 'Buffer hits',
      what: 'of reads',
      unit: 'ratio',
      kind: 'line',
      height: 36,
      series: one('database.cache.hit_ratio', 'hit ratio'),
      scale: { kind: 'near', cap: 1 },
    },
  ];
  const waits = split(
    has,
    'database.waits',
    'type',
    [
      ['cpu', 'on CPU', 'c1'],
      ['io', 'IO', 'c2'],
      ['lock', 'Lock', 'c4'],
      ['other', 'other', 'c-other'],
    ],
    false,
  );
  if (waits.length > 0) {
    const lane: LaneSpec = {
      key: 'waits',
      title: 'Waits',
      what: 'active sessions',
      unit: 'count',
      kind: 'stack',
      height: 60,
      series: waits,
      scale: { kind: 'zero', atLeast: Math.max(2, (cpus ?? 1) * 1.2) },
    };
    if (cpus) lane.reference = { value: cpus, label: `${integer(cpus)} vCPU`, at: 'axis' };
    lanes.push(lane);
  }
  lanes.push(
    {
      key: 'locks',
      title: 'Locks waiting',
      what: 'sessions',
      unit: 'count',
      kind: 'bars',
      height: 36,
      series: one('database.locks.waiting', 'waiting', 'bad'),
      scale: { kind: 'zero', atLeast: 2 },
    },
    {
      key: 'longest',
      title: 'Longest running',
      what: 'statement now',
      unit: 'seconds',
      kind: 'line',
      height: 36,
      series: one('database.query.longest', 'longest'),
      scale: { kind: 'zero', atLeast: 0.01 },
    },
  );
  return lanes;
}

function cacheLanes(has: (id: string) => boolean, limits: Record<string, number | undefined>): LaneSpec[] {
  const max = limits['maxmemory'];
  const memory: LaneSpec = {
    key: 'cache-memory',
    title: 'Memory',
    what: max ? `used, max ${bytes(max)}` : 'used',
    unit: 'bytes',
    kind: 'fill',
    height: 36,
    series: one('cache.memory.used', 'used'),
    scale: max ? { kind: 'near', upTo: max, from: 0.5 } : { kind: 'zero', atLeast: 65_536 },
  };
  if (max) {
    memory.threshold = { value: max, label: '', at: 'axis' };
    memory.topText = `${axisLabel(max, 'bytes', max, true)} max`;
  }
  const lanes: LaneSpec[] = [
    {
      key: 'operations',
      title: 'Operations',
      what: 'per second',
      unit: 'per_second',
      kind: 'fill',
      height: 36,
      series: one('cache.operations', 'commands'),
      scale: { kind: 'zero', atLeast: 10 },
    },
    {
      key: 'hit-ratio',
      title: 'Hit ratio',
      what: 'of reads',
      unit: 'ratio',
      kind: 'line',
      height: 36,
      series: one('cache.hit_ratio', 'hits'),
      scale: { kind: 'near', cap: 1 },
    },
    memory,
    {
      key: 'evictions',
      title: 'Evictions',
      what: 'per second',
      unit: 'per_second',
      kind: 'bars',
      height: 36,
      series: one('cache.evictions', 'keys'),
      scale: { kind: 'zero', atLeast: 10 },
    },
  ];
  if (has('cache.clients')) {
    lanes.push({
      key: 'clients',
      title: 'Clients',
      what: 'connected',
      unit: 'count',
      kind: 'line',
      height: 36,
      series: one('cache.clients', 'clients'),
      scale: { kind: 'zero', atLeast: 4 },
    });
  }
  if (has('cache.latency')) {
    lanes.push({
      key: 'cache-latency',
      title: 'Round trip',
      what: 'PING',
      unit: 'seconds',
      kind: 'line',
      height: 36,
      series: one('cache.latency', 'ping'),
      scale: { kind: 'zero', atLeast: 0.0005 },
    });
  }
  return lanes;
}

/**
 * The four tiers in order. A tier whose target is not configured keeps its lanes, empty, and says what it needs.
 * `has` tells whether a series exists, `settled` whether it has had the samples that rates beside it need to be there.
 */
export function tiers(
  has: (id: string) => boolean,
  targets: readonly TargetFacts[],
  configured: ReadonlySet<string>,
  settled: (id: string) => boolean = has,
): Tier[] {
  const facts = new Map(targets.map((t) => [t.role, t]));
  const limits = (role: Role): Record<string, number | undefined> => facts.get(role)?.limits ?? {};
  return ROLES.map((role) => {
    const known = facts.get(role);
    const there = configured.has(role);
    const lanes =
      role === 'api'
        ? apiLanes(has)
        : role === 'host'
          ? hostLanes(has, limits('host'))
          : role === 'database'
            ? databaseLanes(has, limits('database'), limits('host')['cpus'])
            : cacheLanes(has, limits('cache'));
    // What an engine does not report has no lane. A rate comes with the second sample: until then all lanes stand, so that
    // none goes and comes back.
    const reported = lanes.filter((l) => l.series.some((series) => has(series.id)));
    const offered = there && lanes.some((l) => l.series.some((series) => settled(series.id))) ? reported : lanes;
    const detail = known ? [known.version, known.detail].filter(Boolean).join(', ') || known.address : '';
    return {
      role,
      name: NAMES[role],
      about: there ? ABOUT[role] : NEEDS[role],
      detail: there ? detail : '',
      configured: there,
      lanes: there ? offered : lanes.map((l) => ({ ...l, empty: NEEDS[role] })),
    };
  });
}

/** Lanes as one list, for screens that show a few of them beneath their own. */
export function pick(all: readonly Tier[], keys: readonly string[]): { role: Role; spec: LaneSpec }[] {
  return all.flatMap((t) => (t.configured ? t.lanes.filter((l) => keys.includes(l.key)).map((spec) => ({ role: t.role, spec })) : []));
}

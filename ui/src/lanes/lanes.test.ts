import { describe, expect, it } from 'vitest';
import { TimeSeries } from '../charts/series';
import { bandState, evictingSince, stale, type TargetState } from './state';
import { pick, tiers, type TargetFacts } from './tiers';
import { parts } from '../kit/marked';
import { count } from './marked';

const facts = (role: string, limits: Record<string, number> = {}): TargetFacts => ({
  role,
  address: role,
  version: null,
  detail: null,
  limits,
});
const target = (over: Partial<TargetState>): TargetState => ({
  role: 'cache',
  address: 'c',
  state: 'up',
  round_trip_ms: 1,
  last_sample_ms: 100_000,
  next_try_ms: null,
  error: null,
  ...over,
});
const all = (): boolean => true;

describe('tiers', () => {
  it('keeps the lanes of a target that is not configured, empty and with what it needs', () => {
    const found = tiers(all, [facts('api')], new Set(['api']));
    expect(found.map((t) => t.role)).toEqual(['api', 'host', 'database', 'cache']);
    expect(found[2]!.about).toBe('needs a SQL database');
    expect(found[2]!.lanes.every((l) => l.empty === 'needs a SQL database')).toBe(true);
  });
  it('has request lanes only when the API tells its figures', () => {
    const without = tiers((id) => id.startsWith('api.probe'), [], new Set(['api']))[0]!.lanes.map((l) => l.key);
    expect(without).toEqual(['probe', 'probe-failures']);
    const keys = tiers(all, [], new Set(['api']))[0]!.lanes.map((l) => l.key);
    expect(keys.slice(0, 3)).toEqual(['requests', 'errors', 'latency']);
  });
  it('keeps the lane of a rate until its second sample could be there, and drops what is not reported then', () => {
    const first = (id: string): boolean => id.startsWith('system.memory');
    const keys = (settled: boolean): string[] =>
      tiers(first, [facts('host')], new Set(['host']), (id) => settled && first(id))[1]!.lanes.map((l) => l.key);
    expect(keys(false)).toContain('cpu');
    expect(keys(true)).toEqual(['memory']);
    const data = new TimeSeries();
    data.append([1000, 2000, 3000], { a: [1, null, 3] });
    expect([data.filled('a', 2), data.filled('a', 3), data.filled('b', 1)]).toEqual([true, false, false]);
  });
  it('draws limits and processors as marks', () => {
    const found = tiers(
      all,
      [facts('host', { cpus: 4 }), facts('database', { max_connections: 100 }), facts('cache', { maxmemory: 2 ** 30 })],
      new Set(['host', 'database', 'cache']),
    );
    const lane = (key: string) => found.flatMap((t) => t.lanes).find((l) => l.key === key)!;
    expect(lane('load').reference?.value).toBe(4);
    expect(lane('waits').reference?.label).toBe('4 vCPU');
    expect(lane('connections').topText).toBe('100 max');
    expect(lane('cache-memory').threshold?.value).toBe(2 ** 30);
  });
  it('picks lanes of configured tiers for other screens', () => {
    expect(pick(tiers(all, [], new Set(['host'])), ['cpu', 'connections']).map((l) => l.spec.key)).toEqual(['cpu']);
  });
});

describe('state of a tier', () => {
  const tier = tiers(all, [facts('cache')], new Set(['cache']))[3]!;
  const data = new TimeSeries();
  data.append([98_000, 99_000, 100_000], { 'cache.operations': [1, 2, 3], 'cache.evictions': [0, 0, 0] });
  const range = { from: 0, to: 114_000 };
  it('says since when a target is unreachable and when it is tried again', () => {
    const down = target({ state: 'down', next_try_ms: 120_000 });
    expect(stale(tier, down, data, 114_000, true)?.text.replaceAll('\u202f', ' ')).toBe(
      'cache unreachable: last sample 14 s ago, next try in 6 s',
    );
    expect(bandState(tier, down, data, range, 114_000, true)?.glyph).toBe('bad');
  });
  it('recovers by itself', () => {
    expect(stale(tier, target({}), data, 101_000, true)).toBeNull();
    expect(bandState(tier, target({}), data, range, 101_000, true)?.text).toContain('answers in');
  });
  it('notices a target that is silent without being reported down', () => {
    expect(stale(tier, target({}), data, 106_000, true)?.text).toContain('silent');
  });
  it('does not let an API that fails each probe answer in time', () => {
    const answering = new TimeSeries();
    answering.append([40_000, 41_000], { 'cache.operations': [1, 1] });
    const error = { code: 'unreachable', message: 'answers the probe with status 503', hint: null };
    const failing = bandState(tier, target({ error, round_trip_ms: 1.88, last_sample_ms: 41_000 }), answering, range, 41_000, true);
    expect(failing).toMatchObject({ glyph: 'bad', text: 'answers the probe with status 503' });
    const missing = { code: 'privilege', message: '3 sessions are hidden', hint: null };
    expect(bandState(tier, target({ error: missing, last_sample_ms: 41_000 }), answering, range, 41_000, true)?.glyph).toBe('warn');
  });
  it('names gaps and evictions', () => {
    const gappy = new TimeSeries();
    gappy.append([1000, 2000, 40_000, 41_000], { 'cache.operations': [1, 1, 1, 1], 'cache.evictions': [0, 0, 5, 2] });
    expect(evictingSince(gappy)).toBe(40_000);
    const quiet = new TimeSeries();
    quiet.append([1000, 2000, 40_000], { 'cache.operations': [1, 1, 1] });
    expect(bandState(tier, target({ last_sample_ms: 40_000 }), quiet, range, 41_000, true)?.text).toContain('one gap of 38');
  });
});

describe('words', () => {
  it('splits identifiers out of a title and leaves an unpaired backtick alone', () => {
    expect(parts('Scan on `a.b` now')).toEqual([
      { text: 'Scan on ', code: false },
      { text: 'a.b', code: true },
      { text: ' now', code: false },
    ]);
    expect(parts('a ` b')).toEqual([{ text: 'a ` b', code: false }]);
    expect([count(1), count(3)]).toEqual(['1 thing to look at', '3 things to look at']);
  });
});

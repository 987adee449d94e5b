import { describe, expect, it } from 'vitest';
import type { LaneSpec } from '../../../charts/lane';
import { tiers } from '../../../lanes/tiers';
import { httpSpec, run as anyRun } from '../../../testing/values';
import { pathTo, placeOf, shownAt } from '../routes';
import { storedLanes } from '../series';
import type { Baseline, Footing, Moved, Run, RunSummary, StageResult } from '../types';
import { comparable, nameFault, namesOf } from './baselines';
import { grounded, grounds } from './footing';
import { changeText, flagged, levelsText, movedNone, movedRow, seriesWords } from './moved';
import { level, span } from './stages';
import { counted, figure } from './thresholds';

const plain = (text: string): string => text.replaceAll('\u202f', ' ');
/** Its open loop lags a little. */
const FOOTING: Footing = { ...anyRun().footing, rate_share: 0.998, throttled_s: 0, throttled_periods: 0, lag_p99_ms: 0.4, lag_limit_ms: 1 };
const run = (over: Partial<Footing>, open = true, seconds = 30): Run =>
  anyRun({
    spec: { kind: 'http', ...httpSpec({ load: open ? { kind: 'rate', rate_per_s: 100 } : { kind: 'closed' } }) },
    intervals: Array.from({ length: seconds }, () => ({ duration_s: 1 })) as Run['intervals'],
    footing: { ...FOOTING, generator_cpu_share: 0.31, ...over },
  });
const tone = (r: Run, key: string): string => grounds(r).find((g) => g.key === key)!.tone;

describe('stages', () => {
  const stage = { kind: 'ramp', start_s: 30, duration_s: 60, from: 100, to: 1500 } as StageResult;
  it('names a level, or where a ramp goes', () => {
    expect(plain(level(stage, true))).toBe('100/s → 1 500/s');
    expect(level({ ...stage, kind: 'spike', to: 64 }, false)).toBe('64 connections');
    expect(plain(span(stage))).toBe('30 s – 1 min 30 s');
  });
});

describe('what a run rests on', () => {
  it('holds when everything is within its limit', () => {
    expect(grounds(run({})).every((g) => g.tone === 'ok')).toBe(true);
    expect(grounded(grounds(run({})))).toBe('all hold');
  });
  it('names what a CPU quota held back', () => {
    expect(tone(run({ throttled_s: 3.1, throttled_periods: 44 }), 'quota')).toBe('warn');
    expect(grounds(run({ throttled_s: null, throttled_periods: null })).some((g) => g.key === 'quota')).toBe(false);
  });
  it('fails where the engine calls a run invalid, and warns elsewhere', () => {
    expect(tone(run({ rate_share: 0.98 }), 'rate')).toBe('bad');
    expect(tone(run({ lag_p99_ms: 1.2 }), 'lag')).toBe('bad');
    expect(tone(run({ generator_cpu_share: 0.81 }), 'cpu')).toBe('warn');
    expect(tone(run({ ceiling_share: 0.71 }), 'ceiling')).toBe('warn');
    expect(tone(run({ ceiling_share: 0.71, ceiling_kind: 'projected' }), 'ceiling'), 'as the CPU time it comes from').toBe('ok');
    expect(tone(run({ co_located: true }), 'place')).toBe('warn');
    expect(tone(run({ autocorrelation: 0.7 }), 'autocorrelation')).toBe('warn');
    expect(tone(run({ steady: false }), 'steady')).toBe('warn');
    expect(grounded(grounds(run({ rate_share: 0.9, lag_p99_ms: 9 })))).toBe('2 do not hold');
  });
  it('sits on the limit', () => {
    expect(tone(run({ rate_share: 0.99 }), 'rate')).toBe('ok');
    expect(tone(run({ generator_cpu_share: 0.8, ceiling_share: 0.7 }), 'cpu')).toBe('ok');
  });
  it('says why something is not known', () => {
    const closed = grounds(run({ rate_share: null, lag_p99_ms: null, lag_limit_ms: null }, false));
    expect(closed[0]).toMatchObject({ tone: 'none', value: 'closed loop' });
    expect(grounds(run({ steady: null }, true, 10)).find((g) => g.key === 'steady')!.value).toBe('too short');
    expect(grounds(run({ steady: null })).find((g) => g.key === 'steady')!.value).toBe('not given');
    expect(grounded(closed)).toBe('all hold');
    expect(grounded(grounds(run({ ceiling_share: null })))).toBe('what is known holds');
    expect(tone(run({ precise_timer: false }, false), 'timer')).toBe('ok');
    const imported = grounds(run({ co_located: null, precise_timer: null }));
    expect(imported.filter((g) => ['place', 'timer'].includes(g.key)).map((g) => [g.tone, g.value])).toEqual([
      ['none', 'not told'],
      ['none', 'not told'],
    ]);
  });
});

describe('what moved', () => {
  it('does not contradict what the run rests on', () => {
    expect(movedNone(true)).toContain('Nothing changed its level');
    expect(movedNone(null)).toContain('Nothing changed its level');
    expect(movedNone(false)).toContain('drifted');
    expect(grounds(run({ steady: false })).find((g) => g.key === 'steady')!.value).toBe('not one level');
  });
  const locks: LaneSpec = {
    key: 'locks',
    title: 'Locks waiting',
    what: '',
    unit: 'count',
    kind: 'bars',
    height: 36,
    series: [{ id: 'database.locks.waiting', label: 'waiting', colour: 'bad' }],
    scale: { kind: 'zero' },
  };
  const moved = (series: string, before: number, after: number, at = 2100): Moved => ({
    series,
    at_ms: at,
    after_s: at / 1000,
    before,
    after,
    change: before === 0 ? null : after / before - 1,
    p: 0.0001,
  });
  it('is named by its lane, with levels and change', () => {
    const row = movedRow(moved('database.locks.waiting', 1, 9), [locks]);
    expect([plain(row.after), row.name, row.levels, plain(row.change), row.lane]).toEqual([
      '+2.1 s',
      'Locks waiting',
      '1 → 9',
      '+800 %',
      'locks',
    ]);
  });
  it('has words for the series of the run itself', () => {
    expect(movedRow(moved('run:p99', 54, 132), [])).toMatchObject({ name: 'p99', lane: 'bench-latency' });
    expect(movedRow(moved('run:rate', 10, 5), [])).toMatchObject({ name: 'Throughput', lane: 'bench-rate', up: false });
  });
  it('has words for a series without a lane, and a dash for a change from zero', () => {
    expect(seriesWords('custom.queue.depth{queue=mail}')).toBe('custom queue depth, mail');
    expect(movedRow(moved('x.y', 0, 3), [])).toMatchObject({ change: '–', lane: null });
  });
  it('writes changes and levels shortly', () => {
    expect([changeText(0.004), changeText(-0.997), changeText(39)].map(plain)).toEqual(['+0.40 %', '−99.7 %', '×40']);
    expect(plain(levelsText(11.8, 28.3, 'ms'))).toBe('11.8 → 28.3 ms');
    expect(plain(levelsText(0.9, 28, 'ms'))).toBe('900 µs → 28.0 ms');
    expect(plain(levelsText(2431, 1070, 'per_second'))).toBe('2 431 → 1 070/s');
  });
  it('is flagged where there is room', () => {
    const rows = [1000, 1400, 9000].map((t, i) => movedRow(moved(`s${i}`, 1, 2, t), []));
    expect(flagged(rows, 5000).map((r) => r.key)).toEqual(['s0', 's2']);
  });
});

describe('thresholds', () => {
  it('are written in their unit and counted', () => {
    expect([figure(84, 'ms'), figure(0.12, '%'), figure(1200, '/s'), figure(3, ''), figure(null, 'ms')].map(plain)).toEqual([
      '84.0 ms',
      '0.12 %',
      '1 200/s',
      '3',
      '–',
    ]);
    const t = (ok: boolean, unjudged = false) => ({
      text: '',
      step: null,
      metric: '',
      unit: '',
      limit: 1,
      actual: 1,
      at_least: false,
      ok,
      unjudged,
      note: null,
    });
    expect(counted([t(true), t(false, true)])).toBe('1 of 2 hold, 1 not judged');
    expect([counted([t(true)]), counted([t(true), t(true)]), counted([t(true), t(false)])]).toEqual(['holds', 'all 2 hold', '1 of 2 hold']);
  });
});

describe('baselines', () => {
  const b = (name: string, run_id: string, created_ms: number): Baseline => ({ name, run_id, created_ms });
  const runs = [
    { id: 'a', work: 'w' },
    { id: 'b', work: 'w' },
    { id: 'c', work: 'other' },
  ] as RunSummary[];
  const all = [b('old', 'b', 1), b('new', 'b', 2), b('else', 'c', 3), b('own', 'a', 4)];
  it('of the same work can be compared with, the newest first', () => {
    expect(comparable(all, runs, 'a').map((x) => x.name)).toEqual(['new', 'old']);
    expect(namesOf(all, 'b')).toEqual(['old', 'new']);
    expect(comparable(all, runs, 'of another environment'), 'nothing of work that is not known to be the same').toEqual([]);
  });
  it('have a name', () =>
    expect([nameFault(' '), nameFault('x'), nameFault('x'.repeat(81))]).toEqual(['Enter a name', null, 'At most 80 characters']));
});

describe('addresses', () => {
  it('are read', () => {
    expect(shownAt('/benchmarks', false)).toEqual({ view: 'list' });
    expect(shownAt('/benchmarks/live', false)).toEqual({ view: 'list' });
    expect(shownAt('/benchmarks/live', true)).toEqual({ view: 'live' });
    expect(shownAt('/benchmarks/plans', false)).toEqual({ view: 'plans', id: null });
    expect(shownAt('/benchmarks/plans/new', false)).toEqual({ view: 'plans', id: 'new' });
    expect(shownAt('/benchmarks/knee/k', false)).toEqual({ view: 'knee', id: 'k' });
    expect(shownAt('/benchmarks/history/r', false)).toEqual({ view: 'history', id: 'r' });
    expect(shownAt('/benchmarks/compare/a/b', false)).toEqual({ view: 'compare', a: 'a', b: 'b' });
    expect(shownAt('/benchmarks/0190-x', false)).toEqual({ view: 'run', id: '0190-x' });
    expect(shownAt('/benchmarks/knee', false)).toEqual({ view: 'run', id: 'knee' });
    expect(shownAt('/benchmarks/a/b', false)).toEqual({ view: 'list' });
    expect(shownAt('/benchmarks/%E0%A4%A', false)).toEqual({ view: 'run', id: '%E0%A4%A' });
  });
  it('go there and back', () => {
    expect(shownAt(pathTo('compare/a b/ü'), false)).toEqual({ view: 'compare', a: 'a b', b: 'ü' });
    expect(pathTo()).toBe('/benchmarks');
    expect(placeOf(null)).toBe('');
    expect(shownAt(pathTo(placeOf({ kind: 'run', id: 'r' })), false)).toEqual({ view: 'run', id: 'r' });
    expect(shownAt(pathTo(placeOf({ kind: 'knee', id: 'k' })), false)).toEqual({ view: 'knee', id: 'k' });
    expect(shownAt(pathTo(placeOf({ kind: 'comparison', id: 'c' })), false)).toEqual({ view: 'comparison', id: 'c' });
  });
});

describe("what was stored of a run's environment", () => {
  const all = new Set(['api', 'host', 'database', 'cache']);
  const keys = (ids: readonly string[], more: readonly string[] = []): string[] => {
    const has = (id: string): boolean => ids.includes(id);
    return storedLanes(tiers(has, [], all), has, more).map((lane) => lane.key);
  };
  const PROBE = ['api.probe.duration{phase=connect}', 'api.probe.failed', 'api.probe.status'];
  it('is shown whole for an API, which has none of the usual lanes', () => {
    expect(keys(PROBE)).toEqual(['probe', 'probe-failures', 'probe-status']);
  });
  it('is the usual lanes of a target that has them, and what moved', () => {
    const database = ['database.transactions', 'database.locks.waiting'];
    expect(keys(database)).toEqual(['transactions']);
    expect(keys(database, ['locks'])).toEqual(['transactions', 'locks']);
    expect(keys(['database.locks.waiting', ...PROBE]), 'each target for itself').toEqual([
      'probe',
      'probe-failures',
      'probe-status',
      'locks',
    ]);
  });
  it('is nothing where nothing was', () => expect(keys([])).toEqual([]));
});

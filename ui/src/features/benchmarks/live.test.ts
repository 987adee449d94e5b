// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it, test, vi } from 'vitest';
import type { BenchPart, RunningBench, TargetStatus } from '../../backend/types';
import { clock } from '../../charts/ticks';
import { THIN } from '../../kit/figures';
import { fakeApp, noRuns } from '../../testing/app';
import { AT, comparison, httpSpec, job, knee, live, target } from '../../testing/values';
import Benchmarks from './index.svelte';
import { effectWords, partWords, phaseWords, unlike } from './live';
import { IDS, LiveBench } from './series';

const DUET: Extract<BenchPart, { kind: 'duet' }> = {
  kind: 'duet',
  pair: 3,
  pairs: 10,
  side: 'a',
  label_a: 'http://a/',
  label_b: 'http://b/',
  resting: false,
  complete: 2,
  so_far: comparison().metrics.filter((m) => m.primary),
};
const KNEE: Extract<BenchPart, { kind: 'knee' }> = {
  kind: 'knee',
  slo: 'p99<50ms',
  connections: 64,
  phase: 'bisecting',
  step_s: 10,
  so_far: knee({ concurrency: null, capacity: null, usl: null }),
};
const running = (of: Partial<RunningBench> = {}): RunningBench => ({
  job: job({ title: 'Benchmark' }),
  spec: { kind: 'http', ...httpSpec({ url: 'http://a/' }) },
  part: null,
  ...of,
});

/** The live view of what `now` answers at each reading. */
function open(
  now: () => RunningBench,
  handlers: Parameters<typeof fakeApp>[0] = {},
  columns = vi.fn(),
  targets: TargetStatus[] = [],
): ReturnType<typeof fakeApp> {
  const fake = fakeApp(
    {
      ...noRuns,
      'bench.running': now,
      'job.get': () => now().job,
      ...handlers,
    },
    { path: '/benchmarks/live', targets, columns: (name, request) => Promise.reject(columns(name, request)) },
  );
  render(Benchmarks, { context: fake.context });
  return fake;
}

test('a running benchmark says its phase and its figures, and is stopped', async () => {
  const { push, calls } = open(() => running(), { 'job.cancel': () => true });
  expect((await screen.findByTestId('bench-phase')).textContent).toBe('Opening connections');
  expect(screen.getByTestId('bench-live-p99').textContent, 'unknown is no zero').toBe('–');
  push({ bench: live() });
  await waitFor(() => expect(screen.getByTestId('bench-phase').textContent).toBe('Measuring'));
  expect(screen.getByTestId('bench-live-errors').className).toContain('bad');
  expect(screen.getByRole('progressbar', { name: 'Benchmark' }).getAttribute('aria-valuenow')).toBe('9');
  await fireEvent.click(screen.getByTestId('bench-stop'));
  await waitFor(() => expect(calls).toContain('job.cancel'));
});

test('a duet says which side of which pair runs, with its own address, and the effect so far', async () => {
  let now = running({ part: DUET });
  const { push } = open(() => now);
  expect((await screen.findByTestId('bench-part')).textContent).toBe('Pair 3 of 10, A: http://a/');
  expect(screen.getByTestId('bench-so-far').textContent).toContain('2 complete pairs of 10');
  expect(screen.getByTestId('bench-so-far').textContent).toContain('interval');
  push({ bench: live() });
  now = running({ part: { ...DUET, side: 'b' }, spec: { kind: 'http', ...httpSpec({ url: 'http://b/' }) } });
  push({ changed: ['jobs'] });
  await waitFor(() => expect(screen.getByTestId('bench-part').textContent).toBe('Pair 3 of 10, B: http://b/'));
  expect(screen.getByTestId('bench-live').textContent, "B's own address").toContain('GET http://b/');
});

test('the effect so far stands on an axis with figures, and the time says which run it is of', async () => {
  open(() => running({ part: DUET, job: job({ title: 'Benchmark', progress: 0.35 }) })).push({ bench: live() });
  const far = await screen.findByTestId('bench-so-far');
  expect([...far.querySelectorAll('.ends .plot span')].map((e) => e.textContent)).toContain('0');
  expect(far.querySelectorAll('.metric:not(.ends)').length).toBe(DUET.so_far.length);
  await waitFor(() => expect(screen.getByTestId('bench-live').textContent?.replace(/\s+/g, ' ')).toContain('in this run, 35 % of all'));
});

test('what a figure says to who cannot see it has its first samples at once', async () => {
  const { push } = open(() => running());
  await screen.findByTestId('bench-phase');
  push({ bench: live({ interval_s: null }) });
  const words = (id: string): string => screen.getByTestId(id).querySelector('figcaption')?.textContent?.replaceAll(/\s/g, ' ') ?? '';
  await waitFor(() => expect(words('bench-lane-bench-rate')).toContain(`${clock(AT - 3000)} to ${clock(AT + 29_000)}. rate: no samples`));
  // What was marked with it is drawn with the next frame of the screen.
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  expect(words('bench-heatmap')).toBe('No response times yet');
  push({ bench: live({ at_ms: AT + 1000, elapsed_s: 4, heat: [[54, 100]] }) });
  await waitFor(() => expect(words('bench-lane-bench-rate')).toContain('last 2 400/s'));
  await waitFor(() => expect(words('bench-heatmap')).toContain('Response times over'));
});

test('while the engine is silent a live run shows no figure of now', async () => {
  const { push, hear } = open(() => running());
  await screen.findByTestId('bench-phase');
  push({ bench: live() });
  await waitFor(() => expect(screen.getByTestId('bench-live-rate').textContent).not.toBe('–'));
  hear(false);
  await waitFor(() => expect(screen.getByTestId('bench-live-rate').textContent).toBe('–'));
  expect(screen.getByTestId('bench-phase').textContent).toBe('Not known: no answer from the engine');
  await waitFor(() => expect(screen.getByTestId('bench-lane-bench-rate-now').textContent).toBe('–'));
});

test('between two runs it says so, and shows no rate', async () => {
  let now = running({ part: DUET });
  const { push } = open(() => now);
  await screen.findByTestId('bench-part');
  push({ bench: live({ phase: 'finished', rate_per_s: 0 }) });
  await waitFor(() => expect(screen.getByTestId('bench-phase').textContent).toBe(`Storing the run, 2 errors (0.03${THIN}%)`));
  expect(screen.getByTestId('bench-live-rate').textContent).toBe('–');
  now = running({ part: { ...DUET, resting: true } });
  push({ changed: ['jobs'] });
  await waitFor(() => expect(screen.getByTestId('bench-phase').textContent).toMatch(/^Resting between runs, 2 errors .* in the last run$/));
});

test('a search draws its curve as it grows, with the step that runs', async () => {
  let now = running({ part: { ...KNEE, so_far: { ...KNEE.so_far, points: KNEE.so_far.points.slice(0, 1) } } });
  const { push } = open(() => now);
  const chart = await screen.findByTestId('bench-knee');
  expect(screen.getByTestId('bench-part').textContent).toBe('64 connections, halving the gap');
  const steps = (): number => chart.querySelectorAll('g').length;
  expect([steps(), chart.textContent?.includes('objective p99<50ms'), chart.textContent?.includes('64 running')]).toEqual([1, true, true]);
  now = running({ part: KNEE });
  push({ changed: ['jobs'] });
  await waitFor(() => expect(steps()).toBe(3));
});

test('of an API that has nothing else the probe is shown beneath', async () => {
  const { push } = open(() => running({ job: job({ environment_id: 'shop' }) }), {}, vi.fn(), [target({ role: 'api' })]);
  await screen.findByTestId('bench-phase');
  push({ at_ms: AT, t: [AT], series: { 'api.probe.failed': [1], 'api.probe.status': [500] }, bench: live() });
  await waitFor(() => expect(screen.getByTestId('bench-environment-probe-failures')).toBeTruthy());
  expect(screen.getByTestId('bench-environment-probe-status')).toBeTruthy();
});

test('only the history of its own environment is asked for', async () => {
  const columns = vi.fn();
  open(() => running({ job: job({ environment_id: 'another' }) }), {}, columns);
  await screen.findByTestId('bench-live');
  expect(screen.getByText(/its lanes are on the screens of the environment/)).toBeTruthy();
  expect(columns).not.toHaveBeenCalled();
});

describe('figures of a run', () => {
  it('are no sample while an interval goes on', () => {
    const bench = new LiveBench(live({ elapsed_s: 0.1 }));
    bench.push(live({ at_ms: AT + 100, rate_per_s: 200 }));
    bench.push(live({ at_ms: AT + 250, rate_per_s: 0, p50_ms: null, interval_s: null }));
    bench.push(live({ at_ms: AT + 400, rate_per_s: 200 }));
    expect(bench.data.column(IDS.rate)).toEqual([200, 200]);
    expect(bench.data.column(IDS.p50)).toEqual([11, 11]);
    expect(bench.data.column(IDS.errors), 'of an unknown time there is no rate').toEqual([null, 0]);
  });
  it('that were not seen are named, before a warm-up that is not over', () => {
    expect(unlike(live({ elapsed_s: 0.1 }), 1)).toEqual([{ from: AT - 100, to: AT + 900, label: 'warm-up, not counted' }]);
    expect(unlike(live({ elapsed_s: 12 }), 1)).toEqual([{ from: AT - 12_000, to: AT, label: `no samples for 12${THIN}s` }]);
    expect(unlike(live({ elapsed_s: 3 }), 5).map((h) => [h.from - AT, h.to - AT])).toEqual([
      [-3000, 0],
      [0, 2000],
    ]);
  });
});

describe('words of what runs', () => {
  it('say what is done between the phases of runs', () => {
    expect(phaseWords(live({ phase: 'warm_up' }), 'pair 1 of 6, A, warming up', DUET)).toBe('Warming up, not counted');
    expect(phaseWords(live({ phase: 'finished', errors: 0 }), 'pair 1 of 6, A, preparing', DUET)).toBe('Preparing');
    expect(phaseWords(null, '', null)).toBe('Opening connections');
    expect([partWords(null), partWords({ ...DUET, pair: 1 })]).toEqual(['', 'Pair 1 of 10, A: http://a/']);
  });
  it('give an effect with its interval, or why there is none', () => {
    const [m] = DUET.so_far;
    const metric = { ...m!, name: 'p999', effect: -0.12, low: -0.2, high: -0.04, note: null };
    expect(effectWords(metric).replaceAll(THIN, ' ')).toBe('p99.9 −12 % (95 % interval −20 % to −4.0 %)');
    expect(effectWords({ ...metric, low: null, high: null })).toContain('no interval yet');
    expect(effectWords({ ...metric, effect: null, note: 'n too small' })).toBe('p99.9: n too small');
  });
});

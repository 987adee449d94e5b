// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { beforeEach, describe, expect, it, test, vi } from 'vitest';
import type { Columns } from '../../../backend/types';
import type { ScreenApp } from '../../../kit/screen';
import { toasts } from '../../../kit/toasts.svelte';
import { fakeApp } from '../../../testing/app';
import { AT, comparison, latency, run } from '../../../testing/values';
import Benchmarks from '../index.svelte';
import type { Run, StoredComparison } from '../types';
import { checks } from './checks';
import { clockOf } from './clock';
import { csv, fileName, markdown } from './export';
import { effectAxis, levelText, rows } from './scale';

const plain = (text: string | null): string => (text ?? '').replaceAll('\u202f', ' ').replaceAll(/\s+/g, ' ').trim();
const PAIRS = 8;
const SECONDS = 5;

/** Interleaved pairs: A before B, a second of rest between them. */
const runs: Run[] = Array.from({ length: 2 * PAIRS }, (_, i): Run => {
  const started = AT + i * (SECONDS + 1) * 1000;
  const fast = i % 2 === 1;
  return run({
    id: `r${i}`,
    name: `pair ${1 + (i >> 1)}`,
    started_ms: started,
    finished_ms: started + SECONDS * 1000,
    duration_s: SECONDS,
    requests: 1000,
    bytes_received: 500_000,
    rate_per_s: 200 + i,
    service_ms: latency({ p99: fast ? 30 : 40 }),
    response_ms: latency({ p99: fast ? 30 : 40 }),
    intervals: Array.from({ length: SECONDS }, (_, s) => ({
      t_ms: started + s * 1000,
      duration_s: 1,
      requests: 200,
      errors: 0,
      p50: 10,
      p90: 20,
      p99: fast ? 30 : 40,
      max: 50,
    })) as Run['intervals'],
  });
});
const metric = comparison().metrics[0]!;
const duet = comparison({
  name: 'index | staff',
  kind: 'duet',
  verdict: 'faster',
  sentence: 'Faster: p99 −25\u202f% (95\u202f% interval −30\u202f% to −20\u202f%), 8 interleaved pairs, errors equal.',
  metrics: [{ ...metric, verdict: 'faster', effect: -0.25, low: -0.3, high: -0.2, pairs: PAIRS }],
  order: Array.from({ length: PAIRS }, () => 'a' as const),
  runs_a: runs.filter((_, i) => i % 2 === 0).map((r) => r.id),
  runs_b: runs.filter((_, i) => i % 2 === 1).map((r) => r.id),
  notes: ['the change: setting work_mem: 4 and 64', 'p99.9 is not judged'],
});
/** The targets' seconds: B reads half of the transactions, from its second second on. */
const series: ScreenApp['columns'] = async (name, asked) => {
  const of = runs.find((r) => r.id === (asked as { id: string }).id)!;
  const fast = duet.runs_b.includes(of.id);
  const seconds = Array.from({ length: SECONDS }, (_, s) => s);
  const columns = {
    t: seconds.map((s) => of.started_ms + s * 1000),
    'database.transactions': seconds.map((s) => (fast && s > 0 ? 100 : 400)),
    'system.cpu.utilization{cpu.mode=user}': seconds.map(() => 0.5),
  };
  expect(name).toBe('run.series');
  return { names: Object.keys(columns), columns: Object.values(columns).map((c) => Float64Array.from(c)), meta: {} } as Columns;
};

function open(found: StoredComparison = duet): ReturnType<typeof fakeApp> {
  const fake = fakeApp(
    {
      'bench.running': () => null,
      'comparison.get': () => found,
      'run.get': ({ id }) => runs.find((r) => r.id === id)!,
      'run.heatmap': ({ id }) => ({ started_ms: runs.find((r) => r.id === id)!.started_ms, column_s: 1, columns: [[[50, 10]]] }),
    },
    { path: '/benchmarks/comparison/c1', columns: series },
  );
  render(Benchmarks, { context: fake.context });
  return fake;
}
beforeEach(() => {
  Object.assign(navigator, { clipboard: { writeText: vi.fn(async () => undefined) } });
  URL.createObjectURL = vi.fn(() => 'blob:x');
  URL.revokeObjectURL = vi.fn();
  HTMLAnchorElement.prototype.click = vi.fn();
});
const copied = (): string => (navigator.clipboard.writeText as ReturnType<typeof vi.fn>).mock.calls[0]?.[0] as string;

test('a duet says its verdict, each effect with its interval, and what is the change', async () => {
  open();
  expect(plain((await screen.findByTestId('comparison-sentence')).textContent)).toMatch(/^Faster: p99 −25 %/);
  const row = screen.getByTestId('comparison-metric');
  expect(plain(row.textContent)).toContain('−25 %−30 % to −20 %Faster');
  const picture = within(row).getByRole('img').getAttribute('aria-label');
  expect(plain(picture), 'a picture has its interval in its text').toBe('p99 −25 %, 95 % interval −30 % to −20 %: Faster');
  expect(screen.getByText('setting work_mem: 4 and 64'), 'the change stands beside B').toBeTruthy();
  expect(screen.getByText('p99.9 is not judged')).toBeTruthy();
  const pairs = await screen.findByTestId('comparison-pairs');
  expect(plain(pairs.getAttribute('aria-label'))).toContain('change −25 %, interval −30 % to −20 %');
});

test('all runs stand on one clock in the order they ran, each opens itself, and both sides have a heatmap', async () => {
  const { address } = open();
  const clock = await screen.findByTestId('compare-clock');
  expect(clock.dataset['aligned']).toBe('false');
  const chips = await within(clock).findAllByTestId('compare-run');
  expect(chips.length).toBe(2 * PAIRS);
  expect(plain(chips[1]!.getAttribute('aria-label'))).toBe('Run 2, B: p99 30.0 ms: open the run');
  await waitFor(() => expect(screen.getByTestId('compare-heat-b').textContent).toContain('Response times over'));
  expect(plain(screen.getByTestId('lane-compare-p99').textContent), 'the readout is the mean of either side').toMatch(
    /A.*40\.0 ms.*B.*30\.0 ms/,
  );
  await fireEvent.click(chips[0]!);
  expect(address.path).toBe('/benchmarks/r0');
});

test('what moved first is on top, and the cost of one request stands side by side', async () => {
  open();
  const list = await screen.findAllByTestId('compare-moved-row');
  expect(list.map((r) => [r.dataset['resource'], plain(r.textContent).includes('lower in 8 of 8 pairs')])).toEqual([
    ['p99', true],
    ['transactions', true],
  ]);
  expect(plain(list[1]!.textContent)).toContain('1.00 s');
  expect(screen.getByTestId('compare-moved').textContent).toContain('p99 moved first; Transactions followed');
  const cost = (key: string): string =>
    plain(screen.getAllByTestId('compare-cost-row').find((r) => r.dataset['resource'] === key)!.textContent);
  // 400 a second over 200 requests of it, and 160 on average.
  expect(cost('transactions')).toBe('Transactions20.80−60 %, lower in 8 of 8 pairs');
  expect(cost('response')).toContain('500 B500 B0 %');
  expect(cost('operations'), 'no cache was watched').toContain('Cache commands–––');
});

test('it is taken away as a sentence, as Markdown, as CSV and JSON, and into a report', async () => {
  const { address } = open();
  await fireEvent.click(await screen.findByTestId('comparison-copy-sentence'));
  await waitFor(() => expect(copied()).toBe(duet.sentence));
  await fireEvent.click(screen.getByTestId('comparison-export'), { detail: 0 });
  await fireEvent.click(await screen.findByTestId('comparison-csv'));
  await waitFor(() => expect(toasts.list.at(-1)?.text).toBe('Saved index-staff.csv'));
  await fireEvent.click(screen.getByTestId('comparison-report'));
  expect([address.path, address.query]).toEqual(['/reports/new', 'comparison=c1']);
});

test('one whose runs were deleted keeps its figures and says what is gone', async () => {
  const { context } = fakeApp({ 'bench.running': () => null, 'comparison.get': () => duet }, { path: '/benchmarks/comparison/c1' });
  render(Benchmarks, { context });
  await waitFor(() => expect(screen.getAllByText('Its runs were deleted.').length).toBeGreaterThan(1));
  expect(plain(screen.getByTestId('comparison-metric').textContent)).toContain('−25 %');
});

test('what offers nothing to do about it passes by: nothing is moved for it', async () => {
  open();
  await fireEvent.click(await screen.findByTestId('comparison-copy-sentence'));
  await waitFor(() => expect(toasts.list.at(-1)?.text).toBe('Copied the sentence'));
  expect(screen.queryByTestId('bench-notice')).toBeNull();
});

describe('the axis of effects', () => {
  const axis = (...effects: [number, number, number][]) =>
    effectAxis(
      rows(comparison({ metrics: effects.map(([low, effect, high]) => ({ ...metric, low, effect, high, delta: 0.1, band_low: -0.09 })) })),
    );
  it('is as wide as what it shows', () => {
    const one = axis([-0.36, -0.31, -0.25]);
    expect(one.low).toBeLessThan(-0.36);
    expect(one.low, 'and not far wider').toBeGreaterThan(-0.45);
    expect(one.high, 'the side where nothing is has the near part of the band').toBeLessThan(0.13);
    expect(one.ticks).toContain(0);
    expect(one.ticks.length).toBeLessThanOrEqual(6);
    const huge = axis([103, 128, 158]);
    expect([huge.high / 158 < 1.2, huge.low > -30]).toEqual([true, true]);
  });
  it('shows the band where the effect is within it', () => {
    const small = axis([-0.01, 0.002, 0.012]);
    expect([small.low < -0.03, small.high > 0.03]).toEqual([true, true]);
    expect([levelText(0.95), levelText(0.978)].map(plain)).toEqual(['95 %', '97.8 %']);
  });
});

describe('one clock', () => {
  it('lays runs over each other that ran far apart', () => {
    const far = [run(), run({ id: 'r2', started_ms: AT + 86_400_000, finished_ms: AT + 86_430_000 })];
    const clock = clockOf(far);
    expect(clock.aligned).toBe(true);
    expect(
      far.map((r) => r.started_ms + clock.shift(r)),
      'both from the start',
    ).toEqual([clock.from, clock.from]);
    expect(new Date(clock.from).getHours(), 'the axis counts from 00:00').toBe(0);
    expect(clockOf(runs).aligned).toBe(false);
  });
});

describe('in other forms', () => {
  it('a table has each effect with its interval, and no cell breaks it', () => {
    const text = plain(markdown(duet));
    expect(text).toContain('| p99 (chosen) | 40.0 ms | 44.8 ms | −25 % | −30 % to −20 % | Faster |');
    expect(text.indexOf('Faster: p99'), 'the sentence is first').toBeLessThan(text.indexOf('| metric'));
  });
  it('a table has its time with the zone, and names stay text', () => {
    const text = markdown(comparison({ name: 'a <b>|</b>', label_a: 'x `y`', created_ms: Date.UTC(2026, 10, 29, 16, 44, 5) }));
    expect(text.split('\n')[0]).toBe('### a \\<b\\>\\|\\</b\\>');
    expect(text).toContain('A: x \\`y\\`');
    expect(text).toContain('2026-11-29 16:44:05 UTC');
  });
  it('CSV has plain numbers, and nothing where nothing is known', () => {
    const lines = csv(comparison({ metrics: [{ ...metric, low: null, high: null, note: 'n too small: "p99"' }] })).split('\n');
    expect(lines[0]).toBe('metric,unit,chosen,a_median,b_median,effect,low,high,level,pairs,verdict,note');
    expect(lines[1]).toBe('p99,ms,true,40,44.8,0.12,,,0.95,10,slower,"n too small: ""p99"""');
  });
  it('a file has a name that every system takes', () => {
    expect(fileName(comparison({ name: '../a b: ☃/ü' }), 'csv')).toBe('a-b-ü.csv');
    expect(fileName(comparison({ name: '///' }), 'json')).toBe('comparison.json');
  });
  it('what the verdict rests on has what fails first', () => {
    const failing = run({ thresholds: [{ ok: false, unjudged: false }] as unknown as Run['thresholds'] });
    const list = checks(comparison(), [run(), failing]);
    expect(list[0]).toEqual({ ok: false, text: 'Thresholds hold', value: 'fail in 1 of 1' });
    expect(list.slice(1).every((check) => check.ok)).toBe(true);
  });
});

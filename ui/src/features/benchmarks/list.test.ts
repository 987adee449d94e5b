// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { describe, expect, test } from 'vitest';
import { fakeApp } from '../../testing/app';
import { AT, comparison, knee, runSummary } from '../../testing/values';
import { routesOf } from './finds';
import Benchmarks from './index.svelte';
import { rowsOf } from './rows';
import type { RunSummary, StoredComparison, StoredKnee } from './types';

const duet = { kind: 'comparison' as const, id: 'c1', name: 'before and after' };
const search = { kind: 'knee' as const, id: 'k1', name: 'Knee of GET / at p99<50ms' };
const pairs = Array.from({ length: 12 }, (_, i) => runSummary({ id: `p${i}`, name: `pair ${i}`, started_ms: AT + i, part_of: duet }));
const steps = Array.from({ length: 4 }, (_, i) =>
  runSummary({ id: `s${i}`, name: `knee, ${i} connections`, started_ms: AT + 100 + i, part_of: search }),
);
const single = runSummary({ id: 'one', name: 'single', started_ms: AT + 50, requests: 50, errors: 4, p99_ms: 12 });

function open(runs: RunSummary[], path = '', comparisons: StoredComparison[] = [], knees: StoredKnee[] = []) {
  const fake = fakeApp(
    {
      'run.list': () => [...runs].sort((a, b) => b.started_ms - a.started_ms),
      'comparison.list': () => comparisons,
      'knee.list': () => knees,
      'baseline.list': () => [{ name: 'nightly', run_id: 'one', created_ms: AT }],
      'bench.running': () => null,
    },
    { path: `/benchmarks${path}` },
  );
  render(Benchmarks, { context: fake.context });
  return fake;
}
const names = (): string[] =>
  [...screen.getByTestId('run-table').querySelectorAll('tr[data-row]')].map((r) => r.querySelector('.name button')!.textContent!.trim());
const all: [RunSummary[], string, StoredComparison[], StoredKnee[]] = [
  [...pairs, ...steps, single],
  '',
  [comparison({ created_ms: AT + 20 })],
  [knee({ created_ms: AT + 200 })],
];

describe('the list of runs', () => {
  test('has a finding for all of its runs, among the runs for themselves, newest first', async () => {
    open(...all);
    await waitFor(() => expect(names()).toEqual(['Knee of GET / at p99<50ms', 'single', 'before and after']));
    expect(screen.getByTestId('run-table-count').textContent).toBe('17 runs');
    expect(screen.getByTestId('comparison-row').textContent).toContain('12 runs');
    expect(screen.getByTestId('comparison-row').textContent, 'and its sentence').toContain('p99 is 12 % longer');
  });
  test('unfolds a finding by a key, and opens it by Enter', async () => {
    const { address } = open(...all);
    const row = await screen.findByTestId('comparison-row');
    row.focus();
    await fireEvent.keyDown(row, { key: 'ArrowRight' });
    await waitFor(() => expect(screen.getAllByTestId('run-row').length).toBe(13));
    await fireEvent.keyDown(screen.getByTestId('comparison-row'), { key: 'Enter' });
    expect(address.path).toBe('/benchmarks/comparison/c1');
  });
  test('sorts by what it shows: a percentile of too few comes last either way, what failed is longest', async () => {
    const late = (ms: number | null, n: number, at_least = false): RunSummary['judged_ms'] =>
      ({
        n,
        timed_out: 1,
        failed: ms === null ? n : 0,
        ...Object.fromEntries(['p50', 'p90', 'p95', 'p99', 'p999', 'max'].map((p) => [p, { ms, at_least }])),
        too_small: n < 10_000 ? ['p99', 'p999'] : [],
      }) as RunSummary['judged_ms'];
    open([
      runSummary({ id: 'few', name: 'few', started_ms: AT, requests: 300, p99_ms: 900 }),
      runSummary({ id: 'well', name: 'well', started_ms: AT + 1, requests: 60_000, p99_ms: 4.33 }),
      runSummary({
        id: 'late',
        name: 'late',
        started_ms: AT + 2,
        requests: 60_000,
        errors: 1,
        p99_ms: 2,
        judged_ms: late(120, 60_000, true),
      }),
      runSummary({ id: 'thin', name: 'thin', started_ms: AT + 3, requests: 300, errors: 1, p99_ms: 500, judged_ms: late(500, 300) }),
      runSummary({
        id: 'lost',
        name: 'lost',
        started_ms: AT + 4,
        requests: 60_000,
        errors: 59_000,
        p99_ms: 1,
        judged_ms: late(null, 60_000),
      }),
    ]);
    const shown = (): string[] => names();
    await waitFor(() => expect(shown().length).toBe(5));
    const p99 = (): Promise<boolean> => fireEvent.click(screen.getByTitle('Sort by p99'));
    await p99();
    await waitFor(() => expect(shown()).toEqual(['lost', 'late', 'well', 'thin', 'few']));
    await p99();
    await waitFor(() => expect(shown()).toEqual(['well', 'late', 'lost', 'thin', 'few']));
  });
  test('says that what an address chooses is not here, and chooses the rest', async () => {
    const { address } = open([...pairs, single], '?runs=gone,one');
    const said = await screen.findByTestId('runs-absent');
    expect(said.textContent!.replace(/\s+/g, ' ')).toContain(
      'A run that this address chooses is not in this list: deleted, or of another environment',
    );
    expect(within(screen.getByTestId('run-table')).getByRole('checkbox', { checked: true })).toBeTruthy();
    expect((screen.getByTestId('runs-compare') as HTMLButtonElement).disabled).toBe(true);
    await fireEvent.click(screen.getByTestId('runs-absent-leave'));
    await waitFor(() => expect(address.query).toBe('runs=one'));
    expect(screen.queryByTestId('runs-absent')).toBeNull();
  });
  test('says so where there is no run at all too', async () => {
    open([], '?runs=a,b');
    expect((await screen.findByTestId('runs-absent')).textContent!.replace(/\s+/g, ' ')).toContain(
      '2 runs that this address chooses are not in this list',
    );
  });
  test('says what was asked for exactly, and a short run is not one of 0 s', async () => {
    open([runSummary({ id: 'r', duration_s: 0.4, load: { kind: 'rate', rate_per_s: 122.5 } })]);
    const row = (await screen.findByTestId('run-row')).textContent!.replaceAll('\u202f', ' ');
    expect(row).toContain('122.5/s');
    expect(row).toContain('400 ms');
  });
  test('folds what runs yet, and what has no result, under its name', async () => {
    open(pairs);
    const row = await screen.findByTestId('comparison-row');
    expect(row.textContent).toContain('has no result');
    expect(within(row).queryByTestId('comparison-delete'), 'there is nothing to delete').toBeNull();
  });
  test('folds runs of an earlier version by what their comparison says', () => {
    const [row] = rowsOf([runSummary({ id: 'r1' }), runSummary({ id: 'r2' })], [comparison()], []);
    expect(row?.kind === 'finding' && row.runs.length).toBe(2);
  });
  test('folds runs of an earlier version by the steps of their search', () => {
    const step = runSummary({ name: 'knee, 32 connections', request: 'GET /', connections: 32, rate_per_s: 2000 });
    const [row, ...others] = rowsOf([step], [], [knee({ created_ms: AT + 1 })]);
    expect([row?.kind === 'finding' && row.runs.length, others.length]).toEqual([1, 0]);
  });
  test('says of a finding what failed in its runs', async () => {
    const [first, ...rest] = pairs;
    open([{ ...first!, errors: 5 }, ...rest], '', [comparison({ created_ms: AT + 20 })]);
    expect((await screen.findByTestId('comparison-row')).textContent).toMatch(
      /12 runs.*1 with errors\. p99 is|12 runs.*1 with errors\.\s*Slower/s,
    );
  });
  test('says when a run was, exactly in its title', async () => {
    open([single]);
    const row = await screen.findByTestId('run-row');
    const time = row.querySelector('time')!;
    expect(time.title).toMatch(/^2026-11-29 .* UTC/);
    expect(time.getAttribute('datetime')).toBe(new Date(AT + 50).toISOString());
  });
  test('is sorted by a figure, unknown ones last', async () => {
    open([
      runSummary({ id: 'a', name: 'slow', p99_ms: 90 }),
      runSummary({ id: 'b', name: 'unknown', p99_ms: null }),
      runSummary({ id: 'c', name: 'fast', p99_ms: 2 }),
    ]);
    await screen.findAllByTestId('run-row');
    await fireEvent.click(screen.getByRole('button', { name: /^p99/ }));
    await waitFor(() => expect(names()).toEqual(['slow', 'fast', 'unknown']));
  });
  test('finds a run by its baseline, its request and its load', async () => {
    open(...all);
    const filter = await screen.findByTestId('run-table-filter');
    await fireEvent.input(filter, { target: { value: 'nightly closed' } });
    await waitFor(() => expect(names()).toEqual(['single']));
    expect(screen.getByTestId('run-table-count').textContent).toBe('1 of 17 runs');
  });
  test('finds one run of a finding, and shows it', async () => {
    open(...all);
    await fireEvent.input(await screen.findByTestId('run-table-filter'), { target: { value: 'pair 11' } });
    await waitFor(() => expect(names()).toEqual(['before and after', 'pair 11']));
  });
  test('chooses with Space, and compares the earlier with the later', async () => {
    const { address } = open([runSummary({ id: 'a', started_ms: AT }), runSummary({ id: 'b', started_ms: AT + 1 })]);
    const [later, earlier] = await screen.findAllByTestId('run-row');
    for (const row of [later!, earlier!]) {
      row.focus();
      await fireEvent.keyDown(row, { key: ' ' });
    }
    await waitFor(() => expect((screen.getByTestId('runs-compare') as HTMLButtonElement).disabled).toBe(false));
    await fireEvent.click(screen.getByTestId('runs-compare'));
    expect(address.path).toBe('/benchmarks/compare/a/b');
  });
  test('of a thousand runs draws what is seen', async () => {
    open(Array.from({ length: 1000 }, (_, i) => runSummary({ id: `r${i}`, name: `run ${i}`, started_ms: AT + i })));
    await screen.findAllByTestId('run-row');
    expect(screen.getAllByTestId('run-row').length).toBeLessThanOrEqual(61);
    expect(screen.getByRole('heading', { level: 1 }).textContent?.replace('\u202f', ' ')).toBe('1 000 runs');
  });
});

test('routes are what was requested, each once, without what was masked', () => {
  const of = (request: string): Pick<RunSummary, 'request'> => ({ request });
  expect(
    routesOf(
      [
        of('GET http://a/x?d=1'),
        of('GET http://b/x?d=1'),
        of('POST https://a/y'),
        of('GET http://a'),
        of('plan of 3 steps'),
        of('GET http://a/z?key=•••'),
      ],
      'http://a/health',
    ),
  ).toEqual([
    { method: 'GET', path: '/health' },
    { method: 'GET', path: '/x?d=1' },
    { method: 'POST', path: '/y' },
    { method: 'GET', path: '/' },
  ]);
});

// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { JobStatus, PoolSizePreview, PoolSizeRequest, PoolSizing } from '../../../../backend/types';
import { fakeApp } from '../../../../testing/app';
import { refusal } from '../../../../testing/backend';
import Page from './Page.svelte';
import { sizeScale } from './scale';
import { blankSize, markdownOf, questionOf, waitsOf } from './size';

const AT = 1_760_000_000_000;
const cell = (connections: number, repetition: number, of: Partial<PoolSizing['cells'][number]> = {}): PoolSizing['cells'][number] => ({
  connections,
  repetition,
  rate_per_s: 100 * Math.min(connections, 4),
  requests: 800,
  errors: 0,
  mean_ms: 10,
  p95_ms: 15,
  p99_ms: 20,
  waits: { Lock: 0.75, CPU: 0.25 },
  set_aside: null,
  ...of,
});
const sizing = (of: Partial<PoolSizing> = {}): PoolSizing => ({
  id: 's1',
  created_ms: AT,
  name: 'SELECT 1',
  request: 'SELECT 1',
  environment_id: 'shop',
  environment: 'shop',
  state: 'finished',
  ended_because: null,
  repetitions: 2,
  warmup_s: 0.5,
  measure_s: 2,
  objective_ms: 25,
  instances: 2,
  room: { max: 100, reserved: 3, others: 20, own: 2, kept: 0, free: 77 },
  left_out: [{ connections: 64, why: '60 connections are free' }],
  cells: [1, 2, 4, 8].flatMap((n) => [cell(n, 1), cell(n, 2)]),
  sentence: '4 connections give 99 % of the highest throughput',
  recommended: { connections: 4, low: 4, high: 6, share: 0.99, per_instance: 2, total: 4, overflow: 0 },
  refused: null,
  law: { kind: 'limited', gamma: 100, limit: 400, sharpness: 16, scatter: 0.01 },
  lack_of_fit: { f: 1, df_misfit: 1, df_pure: 4, p: 0.4, misfit: 0.01, pure_error: 0.01, holds: true },
  scatter: 0.01,
  sizes: [1, 2, 4, 8].map((connections) => ({
    connections,
    cells: 2,
    set_aside: 0,
    rate_per_s: 100 * Math.min(connections, 4),
    fitted_per_s: 100 * Math.min(connections, 4),
    share: Math.min(connections, 4) / 4,
    mean_ms: 10,
    p95_ms: 15,
    p99_ms: connections > 4 ? 40 : 20,
    p99_judged: true,
    within: connections <= 4,
    queue_ms: 0,
    requests: 1600,
    errors: 0,
  })),
  curve: [1, 2, 4, 8].map((connections) => ({
    connections,
    rate_per_s: 100 * Math.min(connections, 4),
    band: { low: 90 * Math.min(connections, 4), high: 110 * Math.min(connections, 4) },
  })),
  notes: ['no overflow: bursts were not measured'],
  settings: [
    { kind: 'environment', title: 'Environment variables', text: 'DB_POOL_SIZE=2\n' },
    { kind: 'pgbouncer', title: 'PgBouncer', text: 'default_pool_size = 4\n' },
  ],
  ...of,
});
const preview = (of: Partial<PoolSizePreview> = {}): PoolSizePreview => ({
  bench: { resolved: ['127.0.0.1'], loopback: true, guard: null, confirm: null, evidence: [], problem: null, tells: '' },
  sizes: [1, 2, 4, 8],
  left_out: [],
  room: null,
  seconds: 95,
  problem: null,
  ...of,
});
const job = (of: Partial<JobStatus> = {}): JobStatus => ({
  id: 'j1',
  kind: 'pool_size',
  title: 'Pool size for SELECT 1',
  environment_id: 'shop',
  state: 'running',
  progress: 0.25,
  step: '4 connections, repetition 1 of 3, cell 3 of 12',
  started_ms: AT,
  finished_ms: null,
  cancellable: true,
  error: null,
  result: null,
  ...of,
});
const of = { path: '/database/size', environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['database'] } };
const none = { 'pool_size.list': () => [], 'job.list': () => [], 'plan.list': () => [] };

test('a result says its size, marks it in the chart and the table, and has its settings to copy', async () => {
  const { context } = fakeApp({ ...none, 'pool_size.list': () => [sizing(), sizing({ id: 's0', sentence: 'earlier' })] }, of);
  render(Page, { context });
  expect((await screen.findByTestId('size-sentence')).textContent).toContain('4 connections give 99 %');
  expect(screen.getByTestId('size-result').dataset['tone']).toBe('ok');
  expect(screen.getByTestId('size-chosen').textContent).toBe('4 recommended');
  expect(screen.getByTestId('size-chart').querySelectorAll('circle'), 'each repetition, its throughput and its p99').toHaveLength(16);
  const rows = screen.getAllByTestId('size-row');
  expect(rows.map((row) => row.classList.contains('chosen'))).toEqual([false, false, true, false]);
  expect(rows[3]!.querySelector('.over')?.textContent, 'over the objective').toContain('40');
  expect(screen.getByTestId('size-setting').textContent).toBe('DB_POOL_SIZE=2');
  await fireEvent.click(screen.getByTestId('size-setting-pgbouncer'));
  expect(screen.getByTestId('size-setting').textContent).toBe('default_pool_size = 4');
  expect(screen.getByTestId('size-notes').textContent).toContain('Not tried: 64; 60 connections are free.');
  await fireEvent.click(screen.getByTestId('size-earlier-row'));
  await waitFor(() => expect(screen.getByTestId('size-sentence').textContent).toContain('earlier'));
});

test('one that recommends nothing says why above the chart, and shows what was measured', async () => {
  const refused = {
    recommended: null,
    settings: [],
    refused: { kind: 'still_grows' as const, reason: 'throughput still grows', hint: 'Raise the largest size' },
    sentence: 'No size is recommended: throughput still grows at 8 connections, the largest size',
  };
  const { context } = fakeApp({ ...none, 'pool_size.list': () => [sizing(refused)] }, of);
  render(Page, { context });
  expect((await screen.findByTestId('size-hint')).textContent).toBe('Raise the largest size. What was measured is below.');
  expect(screen.queryByTestId('size-chosen')).toBeNull();
  expect(screen.queryByTestId('size-settings')).toBeNull();
  expect(screen.getAllByTestId('size-row')).toHaveLength(4);
  expect(screen.getByTestId('size-result').dataset['tone']).toBe('warn');
});

test('the form says what it would do, and starts what was asked for', async () => {
  let asked: PoolSizeRequest | null = null;
  const { context, push } = fakeApp(
    {
      ...none,
      'pool_size.preview': () => preview(),
      'pool_size.start': (request) => {
        asked = request;
        return job();
      },
      'job.cancel': () => true,
    },
    of,
  );
  render(Page, { context });
  const start = await screen.findByTestId('size-start');
  expect((start as HTMLButtonElement).disabled, 'nothing is asked for yet').toBe(true);
  await fireEvent.input(screen.getByTestId('size-statement'), { target: { value: 'SELECT 1' } });
  await fireEvent.input(screen.getByTestId('size-objective'), { target: { value: '25' } });
  expect((await screen.findByTestId('size-load')).textContent).toContain('12 cells, about 1');
  await waitFor(() => expect((start as HTMLButtonElement).disabled).toBe(false));
  await fireEvent.click(start);
  expect((await screen.findByTestId('size-running')).textContent).toContain('cell 3 of 12');
  expect(asked).toMatchObject({ objective_ms: 25, instances: 1, max_connections: 64, repetitions: 3, environment_id: 'shop' });
  push({ jobs: [job({ state: 'failed', error: refusal('unreachable', 'The database is gone') })] });
  expect((await screen.findByTestId('size-failed')).textContent).toContain('The database is gone');
});

test('one that runs is found again after a reload, and can be stopped', async () => {
  const stopped: string[] = [];
  const { context } = fakeApp(
    {
      ...none,
      'job.list': () => [job()],
      'job.cancel': ({ id }) => {
        stopped.push(id);
        return true;
      },
    },
    of,
  );
  render(Page, { context });
  await fireEvent.click(await screen.findByTestId('size-stop'));
  expect(stopped).toEqual(['j1']);
  expect(screen.queryByTestId('size-form'), 'one at a time').toBeNull();
});

test('what a guard forbids is said and cannot be started', async () => {
  const bench = { ...preview().bench, guard: 'a benchmark there needs an explicit rate' };
  const { context } = fakeApp({ ...none, 'pool_size.preview': () => preview({ bench }) }, of);
  render(Page, { context });
  await fireEvent.input(await screen.findByTestId('size-statement'), { target: { value: 'SELECT 1' } });
  expect((await screen.findByTestId('size-guard')).textContent).toContain('needs an explicit rate');
  expect((screen.getByTestId('size-start') as HTMLButtonElement).disabled).toBe(true);
});

test('fields are read or refused by name, and figures are what was measured', () => {
  const ask = (of: Partial<ReturnType<typeof blankSize>>): ReturnType<typeof questionOf> =>
    questionOf({ ...blankSize(), statement: 'SELECT 1', ...of }, 'shop', null);
  expect(Object.keys(ask({ objective: '0', instances: '1.5' }).faults)).toEqual(['objective', 'instances']);
  expect(ask({ statement: ' ' }).asked, 'without a statement').toBeNull();
  expect(ask({ depth: 'thorough' }).asked).toMatchObject({ repetitions: 5, warmup_s: 3, measure_s: 10, objective_ms: null });
  expect(questionOf({ ...blankSize(), plan: 'p' }, 'shop', 'name = "p"').asked?.spec).toMatchObject({ kind: 'plan', toml: 'name = "p"' });
  expect(waitsOf(sizing().cells, 4)).toMatch(/^Lock 75.*%, CPU 25.*%$/);
  expect(waitsOf([cell(4, 1, { waits: null })], 4)).toBeNull();
  const { most, top, times } = sizeScale(sizing());
  expect([most, times]).toEqual([8, { low: 10, high: 100 }]);
  expect(top).toBeGreaterThanOrEqual(440);
  expect(sizeScale(sizing({ cells: [], objective_ms: null })).times, 'nothing known').toBeNull();
  expect(markdownOf(sizing())).toContain('| 4 |');
});

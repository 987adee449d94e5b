// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import type { Moved, RunHistory } from '../../backend/types';
import { fakeApp, noRuns } from '../../testing/app';
import { refusal } from '../../testing/backend';
import { AT, comparison, httpSpec, job, knee, latency, preview, run, runSummary } from '../../testing/values';
import { titled } from '../../kit/title.svelte';
import Benchmarks from './index.svelte';

const moved = (series: string, at: number): Moved => ({
  series,
  at_ms: AT + at,
  after_s: at / 1000,
  before: 1,
  after: 9,
  change: 8,
  p: 0.0001,
});
const RUN = {
  ...noRuns,
  'run.get': () => run(),
  'run.moved': () => [moved('run:p99', 4000)],
  'run.heatmap': () => ({ started_ms: AT, column_s: 1, columns: [] }),
};

/** The screen at an address below the benchmarks. */
function open(path: string, handlers: Parameters<typeof fakeApp>[0] = {}): ReturnType<typeof fakeApp> {
  const fake = fakeApp({ ...noRuns, ...handlers }, { path: `/benchmarks${path}` });
  render(Benchmarks, { context: fake.context });
  return fake;
}
beforeEach(() => Object.assign(navigator, { clipboard: { writeText: vi.fn(async () => undefined) } }));
const copied = (): string => (navigator.clipboard.writeText as ReturnType<typeof vi.fn>).mock.calls[0]?.[0] as string;

test('two runs are chosen in the address and compared, the earlier one first', async () => {
  const { address } = open('?runs=r2', { 'run.list': () => [runSummary({ id: 'r2', started_ms: AT + 1 }), runSummary()] });
  const boxes = (await screen.findAllByTestId('run-choose')) as HTMLInputElement[];
  expect(boxes.map((b) => b.checked)).toEqual([true, false]);
  const compare = screen.getByTestId('runs-compare') as HTMLButtonElement;
  expect(compare.disabled).toBe(true);
  await fireEvent.click(boxes[1]!);
  expect([address.query, compare.disabled]).toEqual(['runs=r2%2Cr1', false]);
  await fireEvent.click(compare);
  expect(address.path).toBe('/benchmarks/compare/r1/r2');
});

test('two boxes that are pressed in one moment are both chosen', async () => {
  const { address } = open('', { 'run.list': () => [runSummary({ id: 'r2', started_ms: AT + 1 }), runSummary()] });
  for (const box of await screen.findAllByTestId('run-choose')) box.click();
  await waitFor(() => expect((screen.getByTestId('runs-compare') as HTMLButtonElement).disabled).toBe(false));
  await waitFor(() => expect(address.query).toBe('runs=r2%2Cr1'));
});

test('a run says its answer first, and a row of what moved is in the address', async () => {
  const { address } = open('/r1?moved=run:p99', RUN);
  expect((await screen.findByTestId('run-sentence')).textContent).toContain('p99');
  const row = await screen.findByTestId('run-moved-row');
  await waitFor(() => expect(row.getAttribute('aria-pressed')).toBe('true'));
  await waitFor(() => expect(screen.getByTestId('run-lane-bench-latency').className).toContain('marked'));
  address.setParams({ moved: null });
  await waitFor(() => expect(row.getAttribute('aria-pressed')).toBe('false'));
  await fireEvent.click(row);
  expect(address.query).toBe('moved=run%3Ap99');
  expect((await screen.findAllByText('This run kept no histogram for each second')).length).toBeGreaterThan(0);
});

test('a run is renamed, copied, and deleted with a way back', async () => {
  const { address, calls } = open('/r1', {
    ...RUN,
    'run.rename': ({ name }) => run({ name }),
    'run.delete': () => ({ id: 'r1', undo_until_ms: 0 }),
  });
  await fireEvent.click(await screen.findByTestId('run-rename'));
  const field = screen.getByTestId('run-name-input');
  await fireEvent.input(field, { target: { value: 'after' } });
  await fireEvent.keyDown(field, { key: 'Enter' });
  await waitFor(() => expect(screen.getByTestId('run-name').textContent).toBe('after'));
  await waitFor(() => expect(titled('Benchmarks', 'shop'), 'each run has a title of its own').toBe('after, Benchmarks, shop – Perfdeck'));
  await fireEvent.click(screen.getByTestId('run-copy-command'));
  await waitFor(() => expect(copied()).toContain('perfctl bench http'));
  await fireEvent.click(screen.getByTestId('run-delete'));
  await waitFor(() => expect(address.path).toBe('/benchmarks'));
  expect(screen.getByTestId('bench-notice').textContent).toContain('Deleted "after"');
  expect(titled('Benchmarks', 'shop'), 'and the list its own').toBe('Benchmarks, shop – Perfdeck');
  expect(calls).toContain('run.delete');
});

test('a run is kept under a name that is one, and an invalid run under none', async () => {
  const set = vi.fn();
  open('/r1', {
    ...RUN,
    'baseline.set': (asked) => {
      set(asked);
      throw refusal('A baseline of that name is locked', 'Choose another one');
    },
  });
  await fireEvent.click(await screen.findByTestId('run-keep'));
  const form = screen.getByTestId('baseline-name').closest('form')!;
  await fireEvent.submit(form);
  expect(set, 'no name is none').not.toHaveBeenCalled();
  expect(within(form).getByRole('alert').textContent).not.toBe('');
  await fireEvent.input(screen.getByTestId('baseline-name'), { target: { value: ' nightly ' } });
  await fireEvent.submit(form);
  await waitFor(() => expect(within(form).getByRole('alert').textContent).toBe('A baseline of that name is locked. Choose another one'));
  expect(set).toHaveBeenCalledWith({ name: 'nightly', run_id: 'r1' });
});

test('an invalid run is no baseline, and says why', async () => {
  open('/r1', { ...RUN, 'run.get': () => run({ valid: false, invalid_reasons: ['the generator was at its limit'] }) });
  expect(((await screen.findByTestId('run-keep')) as HTMLButtonElement).disabled).toBe(true);
  expect(screen.getByText('an invalid run is no baseline')).toBeTruthy();
  expect(screen.getByTestId('run-sentence').textContent).toContain('Invalid');
});

test('a run that is not here says so', async () => {
  open('/gone');
  await waitFor(() => expect(screen.getByTestId('bench-problem').textContent).toContain("no command 'run.get'"));
});

test('a plan that was run is shown, copied and opened in the editor', async () => {
  const toml = 'name = "p"\n[[steps]]\nget = "/"\n';
  const spec = { ...httpSpec(), kind: 'plan', toml, varies: false, base_url: null } as never;
  const { address } = open('/r1', {
    ...RUN,
    'run.get': () => run({ spec }),
    'plan.list': () => [],
    'plan.check': () => ({ name: 'p', request: null, ok: false, problems: [], variables: [] }),
  });
  expect((await screen.findByTestId('run-plan-text')).textContent).toBe(toml.trimEnd());
  await fireEvent.click(screen.getByTestId('run-plan-copy'));
  await waitFor(() => expect(screen.getByTestId('run-plan-copy').textContent).toBe('Copied'));
  await fireEvent.click(screen.getByTestId('run-plan-edit'));
  await waitFor(() => expect(address.path).toBe('/benchmarks/plans/new'));
  expect(((await screen.findByTestId('plan-text')) as HTMLTextAreaElement).value).toBe(toml);
});

test('a form shows what it resolves to before anything is sent, and starts', async () => {
  const live = job({ title: 'Benchmark' });
  const { address } = open('/new', {
    'bench.preview': () => preview(),
    'bench.start': () => live,
    'bench.running': () => ({ job: live, spec: { kind: 'http', ...httpSpec() }, part: null }),
    'job.get': () => live,
  });
  await fireEvent.input(await screen.findByTestId('bench-url'), { target: { value: 'http://127.0.0.1:8000/' } });
  await waitFor(() => expect(screen.getByTestId('bench-resolved').textContent).toContain('127.0.0.1:8000'));
  await fireEvent.submit(screen.getByTestId('bench-form'));
  await waitFor(() => expect(address.path).toBe('/benchmarks/live'));
});

test('a form with a mistake names it and sends nothing', async () => {
  const { calls } = open('/new');
  await fireEvent.input(await screen.findByTestId('bench-connections'), { target: { value: 'many' } });
  await fireEvent.submit(screen.getByTestId('bench-form'));
  expect(screen.getByText('Correct the marked fields first')).toBeTruthy();
  expect(screen.getByTestId('bench-connections').getAttribute('aria-invalid')).toBe('true');
  expect((screen.getByTestId('bench-start') as HTMLButtonElement).disabled).toBe(true);
  expect(calls.filter((c) => c.startsWith('bench.') && c !== 'bench.running')).toEqual([]);
});

test('a guard is said, and a name it asks for is typed first', async () => {
  open('/new', { 'bench.preview': () => preview({ confirm: 'shop-prod', evidence: ['its address'] }) });
  await fireEvent.input(await screen.findByTestId('bench-url'), { target: { value: 'http://127.0.0.1:8000/' } });
  const field = await screen.findByTestId('bench-confirm');
  expect(screen.getByTestId('bench-evidence').textContent).toContain('Looks like production: its address');
  const start = screen.getByTestId('bench-start') as HTMLButtonElement;
  expect(start.disabled).toBe(true);
  await fireEvent.input(field, { target: { value: 'shop-prod' } });
  expect(start.disabled).toBe(false);
});

test('a duet asks for the other address, and a knee for its objective', async () => {
  open('/new', { 'bench.preview': () => preview() });
  await fireEvent.click(await screen.findByTestId('bench-against'));
  expect(screen.getByTestId('bench-start').textContent).toBe('Start the pairs');
  const other = screen.getByTestId('bench-url-b') as HTMLInputElement;
  await fireEvent.click(screen.getByTestId('bench-noise'));
  expect(other.disabled, 'noise is A against itself').toBe(true);
  await fireEvent.click(screen.getByTestId('bench-mode-knee'));
  expect(screen.getByTestId('bench-start').textContent).toBe('Find the knee');
  expect(screen.getByTestId('knee-slo')).toBeTruthy();
});

test('a comparison says its verdict, what it rests on, and why it may not be one', async () => {
  const two = [run(), run({ id: 'r2', started_ms: AT + 60_000, service_ms: latency({ p99: 50 }) })];
  open('/comparison/c1', {
    'comparison.get': () => comparison({ differences: ['setting pool size: 5 and 20'] }),
    'run.get': ({ id }) => two.find((r) => r.id === id)!,
  });
  const view = await screen.findByTestId('comparison');
  expect(view.dataset['verdict']).toBe('slower');
  expect(screen.getByTestId('comparison-differences').textContent).toContain('Not comparable');
  expect(screen.queryByTestId('comparison-accept'), 'what is stored is decided').toBeNull();
  await waitFor(() =>
    expect(screen.getByRole('img', { name: /^Latency by percentile of both runs/ }).getAttribute('aria-label')).toContain('p50: A'),
  );
  await fireEvent.click(screen.getByTestId('comparison-copy'));
  await waitFor(() => expect(copied()).toContain('| p99 (chosen) |'));
});

test('two runs are compared again with what differs as the change', async () => {
  const asked: string[][] = [];
  open('/compare/r1/r2', {
    'compare.runs': ({ changed }) => {
      asked.push(changed);
      return comparison({ differences: changed.length === 0 ? ['version 16 and 17'] : [] });
    },
    'run.get': () => run(),
  });
  await fireEvent.click(await screen.findByTestId('comparison-accept'));
  await waitFor(() => expect(screen.queryByTestId('comparison-differences')).toBeNull());
  expect(asked).toEqual([[], ['setting.*', 'version.*']]);
});

test('a step of a search is pinned in the address and pointed at in passing', async () => {
  const { address } = open('/knee/k1?step=1', { 'knee.get': () => knee() });
  const steps = await screen.findAllByTestId('knee-step');
  const pinned = (): boolean[] => steps.map((s) => s.className.includes('chosen'));
  expect(pinned()).toEqual([false, true, false]);
  await fireEvent.pointerEnter(steps[2]!);
  expect(pinned()).toEqual([false, false, true]);
  await fireEvent.pointerLeave(steps[2]!);
  expect(pinned()).toEqual([false, true, false]);
  await fireEvent.click(within(steps[0]!).getByRole('button', { name: 'Step 1: doubling' }));
  expect([pinned(), address.query]).toEqual([[true, false, false], 'step=0']);
  expect(screen.getByText('No resource was seen at its limit. Watch the host of the target to find out more.')).toBeTruthy();
  await fireEvent.click(screen.getByTestId('knee-report'));
  expect([address.path, address.query], 'its way into a report').toEqual(['/reports/new', 'knee=k1']);
});

test('a search that came to nothing draws nothing and claims nothing', async () => {
  open('/knee/k1', { 'knee.get': () => knee({ state: 'invalid', points: [], concurrency: null, failing: null }) });
  expect((await screen.findByTestId('knee-nothing')).textContent).toContain('No step came to figures');
  expect([screen.queryByTestId('knee-chart'), screen.queryByTestId('knee-steps')]).toEqual([null, null]);
  expect(screen.getByText('lowest that fails').nextElementSibling?.textContent, 'not that none fails').toBe('–');
});

test('the arrows move through the history of a work, and Enter opens a run', async () => {
  const history: RunHistory = {
    runs: ['a', 'b', 'c'].map((run_id, i) => ({
      run_id,
      name: `run ${run_id}`,
      started_ms: AT + i * 86_400_000,
      rate_per_s: 100,
      p50_ms: 1,
      p99_ms: 2,
      too_small: i === 0 ? ['p99'] : [],
      valid: true,
    })),
    changes: [],
  };
  const listed = () => [runSummary({ id: 'c', errors: 7 })];
  const { address } = open('/history/a?run=b', { 'run.history': () => history, 'run.get': () => run(), 'run.list': listed });
  const list = await screen.findByRole('group', { name: /Runs in order/ });
  expect(within(list).getByText('run b')).toBeTruthy();
  await fireEvent.keyDown(list, { key: 'ArrowRight' });
  expect(within(list).getByText(/^run c, 7 errors/)).toBeTruthy();
  await waitFor(() => expect(address.query).toBe('run=c'));
  const rows = screen.getByTestId('history-runs').querySelectorAll('tbody tr');
  expect(
    [...rows].map((r) => r.lastElementChild!.textContent?.trim()),
    'as its list says',
  ).toEqual(['7 errors (0.00960\u202f%)', 'valid', 'valid']);
  expect(screen.getByTestId('history-none').textContent).toBe('None was found.');
  const runs = (): string[] => screen.getAllByTestId('history-run').map((r) => r.querySelector('button')!.textContent!.trim());
  expect(runs(), 'listed newest first').toEqual(['run c', 'run b', 'run a']);
  expect(screen.getAllByTestId('history-run')[2]!.getAttribute('aria-selected'), 'the one that led here').toBe('true');
  await fireEvent.input(screen.getByTestId('history-runs-filter'), { target: { value: 'run b' } });
  await waitFor(() => expect(runs()).toEqual(['run b']));
  await fireEvent.keyDown(list, { key: 'Enter' });
  expect(address.path).toBe('/benchmarks/c');
});

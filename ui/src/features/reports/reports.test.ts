// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { JobStatus, ReportFile, ReportRequest } from '../../backend/types';
import { toasts } from '../../kit/toasts.svelte';
import { fakeApp, noRuns } from '../../testing/app';
import { comparison, job as anyJob, knee, report, runSummary } from '../../testing/values';
import { offerOf } from './choice';
import Reports from './index.svelte';

const file = (id: string, of: Partial<ReportFile> = {}): ReportFile =>
  report({ id, title: `Report ${id}`, html_path: `/data/reports/${id}.html`, ...of });
const job = (of: Partial<JobStatus>): JobStatus => anyJob({ kind: 'report', title: 'Report', ...of });
const places = { environments: [{ id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: [] }] };
const one = runSummary({ id: 'r1', name: 'checkout' });
/** What the form reads. */
const stored = {
  ...noRuns,
  'run.list': () => [one],
};

beforeEach(() => {
  document.body.innerHTML = '';
});
afterEach(() => {
  for (const toast of toasts.list) toasts.dismiss(toast.id);
  vi.restoreAllMocks();
});

test('a report that was written is shown, with the focus on its heading', async () => {
  let written: ReportFile[] = [];
  const { context, push, address } = fakeApp(
    {
      ...stored,
      'report.list': () => written,
      'report.create': () => job({}),
      'report.get': ({ id }) => ({ file: file(id), html: '<p>whole</p>' }),
      'job.get': () => job({ step: 'drawing charts', progress: 0.4 }),
    },
    { ...places, path: '/reports' },
  );
  render(Reports, { context });
  await fireEvent.click(await screen.findByTestId('report-new'));
  await waitFor(() => expect(screen.getByTestId('report-create')).toHaveProperty('disabled', false));
  await fireEvent.submit(screen.getByTestId('report-form'));
  expect((await screen.findByTestId('report-progress')).textContent).toBe('drawing charts, 40\u202f%');
  expect(screen.getByTestId('report-stop')).toBeTruthy();
  written = [file('x1')];
  push({ jobs: [job({ state: 'done', result: { kind: 'report', id: 'x1' } })] });
  await waitFor(() => expect(address.path).toBe('/reports/x1'));
  await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId('report-heading')));
  await waitFor(() => expect(screen.getByTestId('report-heading').textContent).toBe('Report x1'));
});

test('what a link names is chosen, and asked for', async () => {
  let asked: ReportRequest | null = null;
  const duet = comparison({ id: 'c1', runs_a: ['r1'], runs_b: ['r2'] });
  const { context, address } = fakeApp(
    {
      'run.list': () => [one, runSummary({ id: 'r2', name: 'after' }), runSummary({ id: 'r3', name: 'alone' })],
      'comparison.list': () => [duet],
      'knee.list': () => [knee({ id: 'k1' })],
      'report.create': (request) => {
        asked = request;
        return job({ state: 'failed', error: { code: 'storage', message: 'no', hint: null, retryable: false } });
      },
    },
    { ...places, path: '/reports/new?comparison=c1&run=r3' },
  );
  render(Reports, { context });
  const picked = await screen.findByTestId('report-comparison');
  expect(picked).toHaveProperty('checked', true);
  await fireEvent.click(screen.getByTestId('report-knee'));
  expect(address.param('knee')).toBe('k1');
  await fireEvent.submit(screen.getByTestId('report-form'));
  await waitFor(() => expect(asked).not.toBeNull());
  expect([asked!.comparison_ids, asked!.knee_ids, asked!.run_ids, asked!.findings]).toEqual([['c1'], ['k1'], ['r3'], true]);
});

test('runs of a comparison or a search are folded under it', () => {
  const part = { kind: 'knee' as const, id: 'k1', name: 'knee' };
  const runs = ['a', 'b', 'k', 'alone'].map((id) => runSummary({ id, part_of: id === 'k' ? part : null }));
  const offer = offerOf(runs, [comparison({ id: 'c1', runs_a: ['a'], runs_b: ['b'] })], [knee({ id: 'k1' })]);
  expect(Object.fromEntries(offer.findings.map((f) => [f.id, f.runs.map((r) => r.id)]))).toEqual({ c1: ['a', 'b'], k1: ['k'] });
  expect(offer.runs.map((r) => r.id)).toEqual(['alone']);
});

test('what is offered says what failed in it', async () => {
  const part = { kind: 'comparison' as const, id: 'c1', name: 'before and after' };
  const { context } = fakeApp(
    {
      ...stored,
      'run.list': () => [
        runSummary({ id: 'r1', thresholds: { all: 2, failed: 1, unjudged: 0 } }),
        runSummary({ id: 'a', part_of: part }),
        runSummary({ id: 'b', part_of: part, errors: 9 }),
        runSummary({ id: 'c', part_of: part, valid: false }),
      ],
      'comparison.list': () => [comparison({ id: 'c1' })],
    },
    { ...places, path: '/reports/new' },
  );
  render(Reports, { context });
  const finding = await screen.findByTestId('report-finding');
  expect(finding.querySelector('summary')?.textContent?.replace(/\s+/g, ' ')).toBe(
    '4 runs, 1 invalid, 1 with a failed threshold, 1 with errors',
  );
  expect(finding.textContent).toContain('1 of 2 thresholds failed');
});

test('two runs that a link holds against each other are one choice', () => {
  const offer = offerOf([runSummary({ id: 'a', name: 'before' }), runSummary({ id: 'b', name: 'after' })], [], [], ['a:b', 'a:gone']);
  expect(offer.findings.map((f) => [f.id, f.name])).toEqual([['a:b', 'after against before']]);
});

test('without a run no report is promised', async () => {
  const { context, address } = fakeApp({ ...stored, 'run.list': () => [] }, { ...places, path: '/reports/new' });
  render(Reports, { context });
  const nothing = await screen.findByTestId('report-nothing');
  expect(screen.getByTestId('report-create')).toHaveProperty('disabled', true);
  expect(screen.getByTestId('report-why').textContent).toBe('A report needs a run');
  await fireEvent.click(nothing.querySelector('button')!);
  expect(address.path).toBe('/benchmarks/new');
});

test('a preview shows the report without writing it, and goes when the choice changes', async () => {
  const { context, calls } = fakeApp(
    { ...stored, 'report.preview': () => ({ title: 'Performance report: shop', html: '<p>so far</p>' }) },
    { ...places, path: '/reports/new' },
  );
  render(Reports, { context });
  await waitFor(() => expect(screen.getByTestId('report-preview')).toHaveProperty('disabled', false));
  await fireEvent.click(screen.getByTestId('report-preview'));
  expect((await screen.findByTestId('report-preview-view')).getAttribute('srcdoc')).toBe('<p>so far</p>');
  expect(calls).not.toContain('report.create');
  await fireEvent.click(screen.getByTestId('report-findings'));
  await waitFor(() => expect(screen.queryByTestId('report-preview-view')).toBeNull());
});

test('a report that cannot be written says why', async () => {
  const error = { code: 'storage' as const, message: 'The disk is full', hint: 'Free some space', retryable: false };
  const { context } = fakeApp({ ...stored, 'report.create': () => job({ state: 'failed', error }) }, { ...places, path: '/reports/new' });
  render(Reports, { context });
  await waitFor(() => expect(screen.getByTestId('report-create')).toHaveProperty('disabled', false));
  await fireEvent.submit(screen.getByTestId('report-form'));
  await waitFor(() => expect(screen.getByTestId('report-problem').textContent).toContain('The disk is full. Free some space'));
  expect(screen.getByTestId('report-form')).toBeTruthy();
});

test('the address shows a report: a link, a step back and a reload find it', async () => {
  const { context, address } = fakeApp(
    { ...stored, 'report.list': () => [file('x1')], 'report.get': ({ id }) => ({ file: file(id), html: `<p>${id}</p>` }) },
    { ...places, path: '/reports/x1' },
  );
  render(Reports, { context });
  expect((await screen.findByTestId('report-view')).getAttribute('srcdoc')).toBe('<p>x1</p>');
  await fireEvent.click(screen.getByTestId('reports-back'));
  expect(address.path).toBe('/reports');
  await fireEvent.click(await screen.findByTestId('report-open'));
  expect(address.path).toBe('/reports/x1');
  address.go('/reports/new');
  expect(await screen.findByTestId('report-form')).toBeTruthy();
  expect(screen.queryByTestId('report-view')).toBeNull();
});

test('a report that is not here says so, and the list is one step away', async () => {
  const { context } = fakeApp({ 'report.list': () => [] }, { ...places, path: '/reports/gone' });
  render(Reports, { context });
  await waitFor(() => expect(screen.getByTestId('report-problem').textContent).toContain("no command 'report.get'"));
  expect(document.activeElement).toBe(screen.getByTestId('report-heading'));
  await fireEvent.click(screen.getByTestId('reports-back'));
  await waitFor(() => expect(screen.getByTestId('reports-empty')).toBeTruthy());
  expect(screen.queryByTestId('report-problem')).toBeNull();
});

test('on the desktop a report is opened by the system, and shown in its folder', async () => {
  const opened: [string, boolean][] = [];
  const { context } = fakeApp(
    { 'report.get': ({ id }) => ({ file: file(id), html: '' }) },
    {
      ...places,
      path: '/reports/x1',
      openReport: async (id, folder) => void opened.push([id, folder]),
    },
  );
  render(Reports, { context });
  await fireEvent.click(await screen.findByTestId('report-open'));
  await fireEvent.click(screen.getByTestId('report-folder'));
  expect(opened).toEqual([
    ['x1', false],
    ['x1', true],
  ]);
});

test('the list is filtered, says what each report holds, and a deletion is undone', async () => {
  let list = [file('x1'), file('x2', { title: 'Index proof', run_ids: [], comparison_ids: ['c1'], knee_ids: ['k1'] })];
  const gone: ReportFile[] = [];
  const { context } = fakeApp(
    {
      'report.list': () => list,
      'report.delete': ({ id }) => {
        gone.push(...list.filter((f) => f.id === id));
        list = list.filter((f) => f.id !== id);
        return { id, undo_until_ms: 0 };
      },
      'report.restore': () => {
        list = [...list, ...gone];
        return gone[0]!;
      },
    },
    { ...places, path: '/reports' },
  );
  render(Reports, { context });
  await waitFor(() => expect(screen.getAllByTestId('report-row')).toHaveLength(2));
  await fireEvent.input(screen.getByTestId('report-filter'), { target: { value: 'index' } });
  await waitFor(() => expect(screen.getByTestId('report-count').textContent).toBe('1 of 2 reports'));
  expect(screen.getByTestId('report-row').textContent).toContain('1 comparison, 1 knee');
  await fireEvent.click(screen.getByTestId('report-delete'));
  await waitFor(() => expect(screen.queryByTestId('report-row')).toBeNull());
  expect(document.activeElement).toBe(screen.getByTestId('reports-heading'));
  const toast = toasts.list[toasts.list.length - 1]!;
  expect(toast.text).toContain('Deleted “Index proof”');
  toast.action!.run();
  await waitFor(() => expect(screen.getAllByTestId('report-row')).toHaveLength(1));
});

test('a report gets another title', async () => {
  let title = 'Report x1';
  const { context } = fakeApp(
    {
      'report.get': ({ id }) => ({ file: file(id, { title }), html: '' }),
      'report.rename': (request) => {
        title = request.title;
        return file(request.id, { title });
      },
    },
    { ...places, path: '/reports/x1' },
  );
  render(Reports, { context });
  await fireEvent.click(await screen.findByTestId('report-rename'));
  await fireEvent.input(await screen.findByTestId('report-rename-title'), { target: { value: 'Week 48' } });
  await fireEvent.click(screen.getByTestId('report-rename-save'));
  await waitFor(() => expect(screen.getByTestId('report-heading').textContent).toBe('Week 48'));
  await waitFor(() => expect(screen.queryByTestId('report-rename-dialog')).toBeNull());
});

test('what was deleted is one press away, also from a list without reports', async () => {
  const { context, address } = fakeApp({ 'report.list': () => [] }, { path: '/reports' });
  render(Reports, { context });
  await screen.findByTestId('reports-empty');
  await fireEvent.click(screen.getByTestId('deleted-open'));
  expect(address.path).toBe('/deleted');
});

test('a report that was not written is there again with its choice, until it is discarded', async () => {
  const runs = { ...stored, 'run.list': () => [one, runSummary({ id: 'r2', name: 'search', started_ms: one.started_ms - 1 })] };
  const fake = (path = '/reports/new') => fakeApp(runs, { path, ...places });
  const form = async (): Promise<number[]> => {
    await screen.findByTestId('report-form');
    await waitFor(() => expect(screen.getAllByTestId('report-run').length).toBe(2));
    return screen.getAllByTestId<HTMLInputElement>('report-run').flatMap((box, i) => (box.checked ? [i] : []));
  };
  render(Reports, { context: fake().context });
  const usual = await form();
  expect(screen.queryByTestId('report-unsaved'), 'the usual choice is no input').toBeNull();
  await fireEvent.input(screen.getByTestId('report-title'), { target: { value: 'Proof' } });
  await fireEvent.click(screen.getAllByTestId('report-run')[1]!);
  const chosen = await form();
  expect(chosen.length).toBe(usual.length + 1);
  cleanup();
  const { context, address } = fake();
  render(Reports, { context });
  expect(await form()).toEqual(chosen);
  expect(screen.getByTestId<HTMLInputElement>('report-title').value).toBe('Proof');
  expect(address.query, 'so that a reload shows the same').toBe('run=r1%2Cr2');
  await fireEvent.click(screen.getByTestId('report-unsaved-discard'));
  await waitFor(() => expect(screen.getByTestId<HTMLInputElement>('report-title').value).toBe(''));
  expect(await form()).toEqual(usual);
  expect([screen.queryByTestId('report-unsaved'), address.query]).toEqual([null, '']);
});

// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { JobStatus, ReportFile } from '../../backend/types';
import { fakeApp } from '../../testing/app';
import Reports from './index.svelte';

const file = (id: string): ReportFile => ({
  id,
  title: `Report ${id}`,
  environment_name: 'shop',
  created_ms: 1_795_949_075_245,
  run_ids: [],
  html_path: `/reports/${id}.html`,
  json_path: `/reports/${id}.json`,
  html_bytes: 1024,
});
const job = (of: Partial<JobStatus>): JobStatus => ({
  id: 'j',
  kind: 'report',
  title: 'Report',
  environment_id: 'shop',
  state: 'running',
  progress: null,
  step: '',
  started_ms: 0,
  finished_ms: null,
  cancellable: true,
  error: null,
  result: null,
  ...of,
});
const places = { environments: [{ id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: [] }] };

test('without a report it says what one is, and a new one is followed until it is listed', async () => {
  let list: ReportFile[] = [];
  const { context, push } = fakeApp(
    {
      'report.list': () => list,
      'run.list': () => [],
      'report.create': () => job({}),
      'job.get': () => job({ step: 'drawing' }),
    },
    places,
  );
  render(Reports, { context });
  await waitFor(() => expect(screen.getByTestId('reports-empty')).toBeTruthy());
  await fireEvent.click(screen.getByTestId('report-new'));
  await fireEvent.submit(screen.getByTestId('report-form'));
  await waitFor(() => expect(screen.getByText('drawing')).toBeTruthy());
  list = [file('r1')];
  push({ jobs: [job({ state: 'done', result: { kind: 'report', id: 'r1' } })] });
  await waitFor(() => expect(screen.getByTestId('report-notice').textContent).toContain('/reports/r1.html'));
  expect(screen.getAllByTestId('report-row')).toHaveLength(1);
});

test('a report that cannot be written says why', async () => {
  const error = { code: 'storage' as const, message: 'The disk is full', hint: 'Free some space', retryable: false };
  const { context } = fakeApp(
    {
      'report.list': () => [file('old')],
      'run.list': () => [],
      'report.create': () => job({ state: 'failed', error }),
    },
    places,
  );
  render(Reports, { context });
  await waitFor(() => expect(screen.getByTestId('report-row')).toBeTruthy());
  await fireEvent.click(screen.getByTestId('report-new'));
  await fireEvent.submit(screen.getByTestId('report-form'));
  await waitFor(() => expect(screen.getByTestId('report-problem').textContent).toContain('The disk is full. Free some space'));
});

test('the address shows a report: a link, a step back and a reload find it', async () => {
  const { context, address } = fakeApp(
    { 'report.list': () => [file('r1')], 'report.get': ({ id }) => ({ file: file(id), html: `<p>${id}</p>` }) },
    { ...places, path: '/reports/r1' },
  );
  render(Reports, { context });
  expect((await screen.findByTestId('report-view')).getAttribute('srcdoc')).toBe('<p>r1</p>');
  await fireEvent.click(screen.getByTestId('reports-back'));
  expect(address.path).toBe('/reports');
  await fireEvent.click(await screen.findByTestId('report-open'));
  expect(address.path).toBe('/reports/r1');
  address.go('/reports/new');
  expect(await screen.findByTestId('report-form')).toBeTruthy();
  expect(screen.queryByTestId('report-view')).toBeNull();
});

test('a report that is not here says so, and the list is one step away', async () => {
  const { context } = fakeApp({ 'report.list': () => [] }, { ...places, path: '/reports/gone' });
  render(Reports, { context });
  await waitFor(() => expect(screen.getByTestId('report-problem').textContent).toContain("no command 'report.get'"));
  await fireEvent.click(screen.getByTestId('reports-back'));
  await waitFor(() => expect(screen.getByTestId('reports-empty')).toBeTruthy());
  expect(screen.queryByTestId('report-problem')).toBeNull();
});

test('on the desktop a report is opened by the system', async () => {
  const opened: string[] = [];
  const { context, address } = fakeApp(
    { 'report.list': () => [file('r1')] },
    { ...places, path: '/reports', openPath: async (path) => void opened.push(path) },
  );
  render(Reports, { context });
  await fireEvent.click(await screen.findByTestId('report-open'));
  expect([opened, address.path]).toEqual([['/reports/r1.html'], '/reports']);
});

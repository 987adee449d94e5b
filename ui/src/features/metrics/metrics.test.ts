// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { MetricInfo, MetricSeen } from '../../backend/types';
import { fakeApp } from '../../testing/app';
import { refusal } from '../../testing/backend';
import Metrics from './index.svelte';
import { markdown } from './words';

const metric = (of: Partial<MetricInfo>, series: number): MetricSeen => ({
  metric: {
    name: 'system.cpu.utilization',
    title: 'CPU',
    role: 'host',
    unit: 'ratio',
    instrument: 'rate',
    help: 'Share of all time',
    ...of,
  },
  series,
});
const all = [
  metric({}, 4),
  metric({ name: 'cache.keys', title: 'Keys', role: 'cache', unit: 'count', instrument: 'gauge', help: 'Keys of all' }, 0),
];
const there = { environment: { id: 'shop', name: 'shop', kind: 'staging' as const, apiUrl: null, roles: [] }, path: '/metrics' };

test('every metric has its unit and meaning; what is not measured here is a dash', async () => {
  const { context } = fakeApp({ 'monitor.metrics': () => all }, there);
  render(Metrics, { context });
  await screen.findByText('1 of 2 metrics are measured here');
  const rows = screen.getAllByTestId('metric').map((row) => row.textContent?.replace(/\s+/g, ' ').trim());
  expect(rows[0]).toContain('system.cpu.utilization');
  expect(rows[0]).toContain('4');
  expect(rows[1]).toContain('–');
});

test('a filter looks at names and meanings, and says when nothing has it', async () => {
  const { context } = fakeApp({ 'monitor.metrics': () => all }, there);
  render(Metrics, { context });
  await screen.findAllByTestId('metric');
  await fireEvent.input(screen.getByTestId('metrics-filter'), { target: { value: 'KEYS' } });
  await waitFor(() => expect(screen.getAllByTestId('metric')).toHaveLength(1));
  await fireEvent.input(screen.getByTestId('metrics-filter'), { target: { value: 'zebra' } });
  expect((await screen.findByTestId('metrics-none')).textContent).toContain('zebra');
});

test('a refusal is said, with a way to try again', async () => {
  const { context } = fakeApp(
    {
      'monitor.metrics': () => {
        throw refusal('The environment is gone');
      },
    },
    there,
  );
  render(Metrics, { context });
  expect((await screen.findByRole('alert')).textContent).toContain('The environment is gone');
  expect(screen.getByTestId('metrics-retry')).toBeTruthy();
});

test('a table in Markdown keeps what would end its cells', () => {
  expect(markdown([metric({ help: 'a | b' }, 1)]).split('\n')[2]).toBe('| system.cpu.utilization | CPU | % | 1 | a \\| b |');
});

// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import { fakeApp } from '../../testing/app';
import { clock } from '../../charts/ticks';
import { now } from '../../kit/time.svelte';
import { refusal } from '../../testing/backend';
import { finding, target } from '../../testing/values';
import Overview from './index.svelte';

test('what is watched has its lanes and what to mend', async () => {
  const { context, push, calls } = fakeApp(
    { 'monitor.start': () => [], 'run.list': () => [] },
    { targets: [target()], findings: [finding()], path: '/overview' },
  );
  render(Overview, { context });
  await waitFor(() => expect(calls).toContain('monitor.start'));
  expect(screen.getByTestId('findings-count').textContent).toBe('1 thing to look at');
  push({ environment_id: 'shop', at_ms: Date.now(), t: [Date.now()], series: { 'database.transactions': [4] } });
  await waitFor(() => expect(screen.getByTestId('band-state-database').dataset['state']).toBe('ok'));
});

test('one that cannot be watched says why, and is asked again', async () => {
  let well = false;
  const { context, calls } = fakeApp(
    {
      'monitor.start': () => {
        if (!well) throw refusal('Too many are watched', 'Close another one');
        return [];
      },
      'run.list': () => [],
    },
    { path: '/overview' },
  );
  render(Overview, { context });
  await waitFor(() => expect(screen.getByRole('alert').textContent).toContain('Not watchingToo many are watched. Close another one'));
  well = true;
  await fireEvent.click(screen.getByText('Try again'));
  await waitFor(() => expect(screen.queryByText('Not watching')).toBeNull());
  expect(calls.filter((c) => c === 'monitor.start')).toHaveLength(2);
});

test('while the engine is silent nothing stands as of now, the gap grows, and all comes back by itself', async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const { context, push, hear } = fakeApp(
    { 'monitor.start': () => [], 'run.list': () => [] },
    { targets: [target()], findings: [], path: '/overview' },
  );
  render(Overview, { context });
  const second = (): void => push({ environment_id: 'shop', at_ms: Date.now(), t: [Date.now()], series: { 'database.transactions': [4] } });
  const value = (): string => screen.getByTestId('overview-lane-transactions-now').textContent ?? '';
  second();
  await waitFor(() => expect(value()).toMatch(/^4/));
  expect(screen.getByTestId('live').getAttribute('aria-pressed')).toBe('true');
  const words = (): string => screen.getByTestId('range-menu').textContent ?? '';
  const before = words();
  hear(false);
  await waitFor(() => expect(value()).toBe('–'));
  const pressed = ['live', 'pause'].map((id) => screen.getByTestId(id).getAttribute('aria-pressed'));
  expect(pressed, 'neither live nor paused').toEqual(['false', 'false']);
  expect(screen.getByTestId('band-state-database').textContent).toContain('not known');
  await vi.advanceTimersByTimeAsync(12_000);
  await waitFor(() => expect(words(), 'time goes on').not.toBe(before));
  const stale = await screen.findByTestId('overview-lane-connections-stale');
  expect(stale.textContent).toMatch(/no answer from the engine: last sample \d+\ss ago/);
  hear(true);
  second();
  await waitFor(() => expect(value()).toMatch(/^4/));
  expect(screen.getByTestId('live').getAttribute('aria-pressed')).toBe('true');
  expect(screen.queryByTestId('overview-lane-connections-stale')).toBeNull();
  vi.useRealTimers();
});

test('another clock of this machine moves no range: the first frame tells the time', async () => {
  const engine = Date.now() - 3 * 3_600_000;
  const { context, push, calls } = fakeApp({ 'monitor.start': () => [], 'run.list': () => [] }, { targets: [target()], path: '/overview' });
  render(Overview, { context });
  await waitFor(() => expect(calls).toContain('monitor.start'));
  now.heard(engine);
  push({ environment_id: 'shop', at_ms: engine, t: [engine], series: { 'database.transactions': [4] } });
  await waitFor(() => expect(screen.getByTestId('range-menu').textContent).toContain(clock(engine).slice(0, 4)));
  now.heard(Date.now());
});

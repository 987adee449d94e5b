// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { fakeApp } from '../../testing/app';
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

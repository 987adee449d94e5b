// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { RunSummary, StoredKnee } from '../../backend/types';
import { fakeApp } from '../../testing/app';
import Benchmarks from './index.svelte';

const NOTHING = {
  'run.list': () => [],
  'comparison.list': () => [],
  'knee.list': () => [],
  'baseline.list': () => [],
  'bench.running': () => null,
};
const knee = {
  id: 'k1',
  name: 'http://127.0.0.1:1/',
  environment_id: 'shop',
  created_ms: 1_795_949_075_245,
  state: 'found',
  sentence: 'Holds up to 4 connections. At 8 it does not.',
  slo: 'p99<50ms',
  points: [],
  runs: [],
} as unknown as StoredKnee;

test('without a run there is one thing to do', async () => {
  const gone: string[] = [];
  const { context } = fakeApp(NOTHING, { go: (path) => gone.push(path) });
  render(Benchmarks, { context });
  await fireEvent.click(await screen.findByTestId('bench-new'));
  expect(gone).toEqual(['/benchmarks/new']);
});

test('a list that cannot be read says why, and shows itself once it can', async () => {
  let well = false;
  const { context, push } = fakeApp({
    ...NOTHING,
    'run.list': () => {
      if (!well) throw { code: 'storage', message: 'The store is busy', hint: 'Try again', retryable: true };
      return [] as RunSummary[];
    },
  });
  render(Benchmarks, { context });
  await waitFor(() => expect(screen.getByTestId('bench-problem').textContent).toContain('The store is busy. Try again'));
  well = true;
  push({ changed: ['runs'] });
  await waitFor(() => expect(screen.queryByTestId('bench-problem')).toBeNull());
});

test('what was found out is deleted and brought back', async () => {
  let list = [knee];
  const { context, calls } = fakeApp({
    ...NOTHING,
    'knee.list': () => list,
    'knee.delete': () => {
      list = [];
      return true;
    },
    'knee.restore': () => {
      list = [knee];
      return true;
    },
  });
  render(Benchmarks, { context });
  await fireEvent.click(await screen.findByTestId('knee-delete'));
  await waitFor(() => expect(screen.queryByTestId('knee-row')).toBeNull());
  expect((await screen.findByTestId('bench-notice')).textContent).toContain('its runs stay');
  await fireEvent.click(screen.getByTestId('bench-notice-action'));
  await waitFor(() => expect(screen.getByTestId('knee-row')).toBeTruthy());
  expect(calls.filter((c) => c.startsWith('knee.') && c !== 'knee.list')).toEqual(['knee.delete', 'knee.restore']);
});

test('what was deleted is one press away, also from a list without runs', async () => {
  const { context, address } = fakeApp(NOTHING);
  render(Benchmarks, { context });
  await fireEvent.click(await screen.findByTestId('deleted-open'));
  expect(address.path).toBe('/deleted');
});

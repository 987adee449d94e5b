// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { RunSummary } from '../../backend/types';
import { fakeApp, noRuns } from '../../testing/app';
import { knee } from '../../testing/values';
import Benchmarks from './index.svelte';

const found = knee();

test('without a run there is one thing to do', async () => {
  const gone: string[] = [];
  const { context } = fakeApp(noRuns, { go: (path) => gone.push(path) });
  render(Benchmarks, { context });
  await fireEvent.click(await screen.findByTestId('bench-new'));
  expect(gone).toEqual(['/benchmarks/new']);
});

test('what could not be read is read again by one press, and says nothing of reading meanwhile', async () => {
  let well = false;
  const { context } = fakeApp({
    ...noRuns,
    'run.list': () => {
      if (!well) throw { code: 'unreachable', message: 'Perfdeck does not answer', hint: null, retryable: true };
      return [] as RunSummary[];
    },
  });
  render(Benchmarks, { context });
  expect((await screen.findByTestId('bench-problem')).textContent).toContain('Not read');
  expect(screen.queryByText('Reading')).toBeNull();
  well = true;
  await fireEvent.click(screen.getByTestId('bench-again'));
  expect(await screen.findByTestId('runs-empty')).toBeTruthy();
  expect(screen.queryByTestId('bench-problem')).toBeNull();
});

test('a list that cannot be read says why, and shows itself once it can', async () => {
  let well = false;
  const { context, push } = fakeApp({
    ...noRuns,
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
  let list = [found];
  const { context, calls } = fakeApp({
    ...noRuns,
    'knee.list': () => list,
    'knee.delete': () => {
      list = [];
      return true;
    },
    'knee.restore': () => {
      list = [found];
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
  const { context, address } = fakeApp(noRuns);
  render(Benchmarks, { context });
  await fireEvent.click(await screen.findByTestId('deleted-open'));
  expect(address.path).toBe('/deleted');
});

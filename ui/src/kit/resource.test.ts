// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import type { StoredKnee } from '../backend/types';
import { fakeApp } from '../testing/app';
import Asks from '../testing/Asks.svelte';
import { turn } from '../testing/turn';

const knee = (id: string): StoredKnee => ({ id }) as StoredKnee;
const shown = (): string => screen.getByRole('status').textContent ?? '';

test('it is read once, and again when its tag is told', async () => {
  let list = [knee('a')];
  const { context, push, calls } = fakeApp({ 'knee.list': () => list });
  render(Asks, { props: { id: 'shop' }, context });
  expect(shown()).toBe('nothing yet');
  await waitFor(() => expect(shown()).toBe('a'));
  list = [knee('a'), knee('b')];
  push({ changed: ['findings'] });
  expect(calls, 'another tag is not its own').toHaveLength(1);
  push({ changed: ['knees'] });
  await waitFor(() => expect(shown()).toBe('a b'));
});

test('what is asked for now is not overtaken by what was asked for before', async () => {
  const answers = new Map<string | null, (list: StoredKnee[]) => void>();
  const { context } = fakeApp({
    'knee.list': ({ environment_id }) => new Promise((answer) => answers.set(environment_id, answer)),
  });
  const { rerender } = render(Asks, { props: { id: 'old' }, context });
  await waitFor(() => expect(answers.has('old')).toBe(true));
  await rerender({ id: 'new' });
  await waitFor(() => expect(answers.has('new')).toBe(true));
  answers.get('new')!([knee('n')]);
  await waitFor(() => expect(shown()).toBe('n'));
  answers.get('old')!([knee('o')]);
  await turn();
  expect(shown()).toBe('n');
});

test('a failure keeps what was there, and a reading that works takes it away', async () => {
  let well = true;
  const { context } = fakeApp({
    'knee.list': () => {
      if (!well) throw { message: 'The disk is full', hint: null };
      return [knee('a')];
    },
  });
  render(Asks, { props: { id: 'shop' }, context });
  await waitFor(() => expect(shown()).toBe('a'));
  well = false;
  await fireEvent.click(screen.getByText('again'));
  await waitFor(() => expect(screen.getByText('The disk is full')).toBeTruthy());
  expect(shown()).toBe('a');
  well = true;
  await fireEvent.click(screen.getByText('again'));
  await waitFor(() => expect(screen.getByText('well')).toBeTruthy());
});

test('nothing is asked for without parameters, and nothing is left of other ones', async () => {
  const { context, calls } = fakeApp({ 'knee.list': () => [knee('a')] });
  const { rerender } = render(Asks, { props: { id: 'shop' as string | null }, context });
  await waitFor(() => expect(shown()).toBe('a'));
  await rerender({ id: null });
  await waitFor(() => expect(shown()).toBe('nothing yet'));
  expect(calls).toHaveLength(1);
});

test('who reads within an effect reads once more, and not for ever', async () => {
  const { context, calls } = fakeApp({ 'knee.list': () => [knee('a')] });
  render(Asks, { props: { id: 'shop', within: true }, context });
  await waitFor(() => expect(shown()).toBe('a'));
  await turn();
  expect(calls).toHaveLength(2);
});

test('it is asked again and again while somebody sees it, of what it is about then, and not without parameters', async () => {
  vi.useFakeTimers();
  try {
    const { context, calls } = fakeApp({ 'knee.list': ({ environment_id }) => [knee(environment_id ?? '')] });
    const { rerender, unmount } = render(Asks, { props: { id: 'shop' as string | null, everyMs: 5000 }, context });
    await vi.advanceTimersByTimeAsync(10_000);
    expect([calls.length, shown()]).toEqual([3, 'shop']);
    await rerender({ id: 'other' });
    await vi.advanceTimersByTimeAsync(1000);
    expect([calls.length, shown()], 'at once where it is another one').toEqual([4, 'other']);
    await rerender({ id: null });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(calls).toHaveLength(4);
    unmount();
  } finally {
    vi.useRealTimers();
  }
});

test('who went on to another screen is asked for nothing, by whatever still waits for an answer there', async () => {
  const { context, calls } = fakeApp({ 'knee.list': () => [knee('a')] });
  let reload: (() => Promise<void>) | null = null;
  const { unmount } = render(Asks, { props: { id: 'shop', hand: (again) => (reload = again) }, context });
  await waitFor(() => expect(shown()).toBe('a'));
  unmount();
  await reload!();
  expect(calls).toHaveLength(1);
});

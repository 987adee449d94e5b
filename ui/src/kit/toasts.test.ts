import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { STAY_MS, STAY_WITH_ACTION_MS, Toasts } from './toasts.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a message goes by itself, one with Undo later', () => {
  const toasts = new Toasts();
  toasts.show('Copied');
  toasts.show('Deleted shop', { label: 'Undo', run: () => undefined });
  vi.advanceTimersByTime(STAY_MS + 1);
  expect(toasts.list.map((t) => t.text)).toEqual(['Deleted shop']);
  vi.advanceTimersByTime(STAY_WITH_ACTION_MS);
  expect(toasts.list).toEqual([]);
});

test('a message under the pointer stays', () => {
  const toasts = new Toasts();
  const id = toasts.show('Deleted shop');
  toasts.hold(id);
  vi.advanceTimersByTime(60_000);
  expect(toasts.list, 'held').toHaveLength(1);
  toasts.resume(id);
  vi.advanceTimersByTime(STAY_MS + 1);
  expect(toasts.list, 'let go').toHaveLength(0);
});

test('at most three are shown, the newest last', () => {
  const toasts = new Toasts();
  for (const text of ['a', 'b', 'c', 'd']) toasts.show(text);
  expect(toasts.list.map((t) => t.text)).toEqual(['b', 'c', 'd']);
});

// @vitest-environment jsdom
import { render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import Announce from './Announce.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('figures that change all the time are read out once in ten seconds, politely', async () => {
  let rate = 0;
  render(Announce, { props: { words: () => `${rate} requests a second` } });
  const said = screen.getByTestId('announced');
  expect(said.getAttribute('aria-live')).toBe('polite');
  const changes: string[] = [];
  const watch = new MutationObserver(() => changes.push(said.textContent ?? ''));
  watch.observe(said, { childList: true, characterData: true, subtree: true });
  for (let second = 0; second < 30; second += 1) {
    rate += 1;
    await vi.advanceTimersByTimeAsync(1000);
    await tick();
  }
  expect(changes).toEqual(['10 requests a second', '20 requests a second', '30 requests a second']);
});

// @vitest-environment jsdom
import { fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fakeApp } from '../testing/app';
import Chooses from '../testing/Chooses.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
const shown = (): string | null => screen.getByRole('status').textContent;

test('what is chosen is in the address, and the address is what is chosen', async () => {
  const { context, address } = fakeApp({}, { path: '/x?run=a&span=60' });
  render(Chooses, { context });
  expect(shown()).toBe('a');
  await fireEvent.click(screen.getByText('b'));
  expect([shown(), address.query]).toEqual(['b', 'run=b&span=60']);
  address.go('/x?run=a');
  vi.advanceTimersByTime(1000);
  await tick();
  expect(shown(), 'a step back').toBe('a');
  await fireEvent.click(screen.getByText('none'));
  expect([shown(), address.query]).toEqual(['nothing', '']);
});

test('many choices a second change the address twice, to the first and the last', async () => {
  const { context, address } = fakeApp({}, { path: '/x' });
  const written = vi.spyOn(address, 'query', 'set');
  render(Chooses, { context });
  for (const name of ['a', 'b', 'a', 'b']) await fireEvent.click(screen.getByText(name));
  expect([shown(), address.query], 'it is shown at once').toEqual(['b', 'run=a']);
  vi.advanceTimersByTime(300);
  expect(address.query).toBe('run=b');
  expect(written).toHaveBeenCalledTimes(2);
});

test('a choice does not follow the reader to another screen', async () => {
  const { context, address } = fakeApp({}, { path: '/x' });
  const { unmount } = render(Chooses, { context });
  await fireEvent.click(screen.getByText('a'));
  await fireEvent.click(screen.getByText('b'));
  address.go('/y');
  vi.advanceTimersByTime(1000);
  unmount();
  vi.advanceTimersByTime(1000);
  expect([address.path, address.query]).toEqual(['/y', '']);
});

test('what an answer chooses that comes after its screen was left is nothing of the next screen', () => {
  const { context, address } = fakeApp({}, { path: '/x' });
  let choose: ((value: string | null) => void) | null = null;
  const { unmount } = render(Chooses, { props: { hand: (by) => (choose = by) }, context });
  address.go('/y');
  unmount();
  choose!('late');
  vi.advanceTimersByTime(1000);
  expect([address.path, address.query]).toEqual(['/y', '']);
});

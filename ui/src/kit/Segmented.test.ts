// @vitest-environment jsdom
import { fireEvent, render, screen } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import Segmented from './Segmented.svelte';

const options = ['one', 'two', 'three'].map((value) => ({ value, label: value }));

test('it is a radio group: one is chosen, arrows move the choice and the focus, around the ends', async () => {
  const choose = vi.fn();
  render(Segmented, { props: { label: 'Kind', value: 'one', options, choose } });
  const [one, , three] = screen.getAllByRole('radio');
  expect(screen.getAllByRole('radio').map((r) => [r.getAttribute('aria-checked'), r.tabIndex])).toEqual([
    ['true', 0],
    ['false', -1],
    ['false', -1],
  ]);
  one!.focus();
  await fireEvent.keyDown(one!, { key: 'ArrowLeft' });
  expect(choose).toHaveBeenLastCalledWith('three');
  expect(document.activeElement).toBe(three);
  await fireEvent.keyDown(one!, { key: 'x' });
  expect(choose).toHaveBeenCalledTimes(1);
});

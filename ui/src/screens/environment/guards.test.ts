import { expect, test } from 'vitest';
import { percentOf, shareOf } from './guards';

test('shares are written in per cent and read back', () => {
  for (const share of [0, 0.02, 0.05, 0.07, 0.1, 0.5, 1]) expect(shareOf(percentOf(share)), String(share)).toBe(share);
  expect(percentOf(0.07), 'without the noise of 0.07 * 100').toBe('7');
  expect([percentOf(null), shareOf(''), shareOf('x')], 'nothing is no limit').toEqual(['', null, null]);
  expect([shareOf('150'), shareOf('-3')], 'what is no share is held at the end').toEqual([1, 0]);
});

import { expect, test } from 'vitest';
import { percentOf, shareFault, shareOf } from './guards';

test('shares are written in per cent and read back', () => {
  for (const share of [0, 0.02, 0.05, 0.07, 0.1, 0.5, 1]) expect(shareOf(percentOf(share)), String(share)).toBe(share);
  expect(percentOf(0.07), 'without the noise of 0.07 * 100').toBe('7');
  expect([percentOf(null), shareOf(''), shareOf('x')], 'nothing is no limit').toEqual(['', null, null]);
});

test('what is no share is named, not changed under the hand', () => {
  expect(percentOf(shareOf('150')), 'it stays as typed').toBe('150');
  for (const text of ['150', '-3']) expect(shareFault(shareOf(text)), text).toContain('0 to 100 %');
  for (const text of ['', '0', '2.5', '100']) expect(shareFault(shareOf(text)), text).toBeNull();
});

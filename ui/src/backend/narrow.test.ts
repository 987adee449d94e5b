import { expect, test } from 'vitest';
import { narrowed } from './narrow';

test('a figure in a text of the engine has spaces at which no line breaks', () => {
  const answer = { sentence: 'p99 \u221231\u2009% at 2\u2009431/s', n: 3, list: [{ text: '1\u2009ms' }, null, 'plain'] };
  expect(narrowed(answer)).toEqual({ sentence: 'p99 \u221231\u202f% at 2\u202f431/s', n: 3, list: [{ text: '1\u202fms' }, null, 'plain'] });
  const numbers = new Float64Array(3);
  expect(narrowed(numbers), 'columns are left alone').toBe(numbers);
});

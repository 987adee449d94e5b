import { expect, test } from 'vitest';
import { filter, score } from './fuzzy';

const names = ['Go to overview', 'Go to database', 'Open environment demo', 'Use the dark theme', 'Add environment'];

test('letters in order are enough', () => {
  expect(filter(names, 'gdb', (n) => n)).toEqual(['Go to database']);
  expect(score('Go to cache', 'xyz')).toBeNull();
});

test('a whole word at a start comes before scattered letters', () => {
  expect(filter(names, 'demo', (n) => n)[0]).toBe('Open environment demo');
  expect(filter(names, 'dark', (n) => n)[0]).toBe('Use the dark theme');
});

test('an empty query keeps the order', () => {
  expect(filter(names, ' ', (n) => n)).toEqual(names);
});

import { expect, test } from 'vitest';
import { code, text, utc } from './markdown';

test('text stays text, whatever is in it', () => {
  expect(text('a | b')).toBe('a \\| b');
  expect(text('<b>x</b>')).toBe('\\<b\\>x\\</b\\>');
  expect(text('[a](http://b) `c` *d* ~~e~~')).toBe('\\[a\\](http://b) \\`c\\` \\*d\\* \\~\\~e\\~\\~');
  expect(text('p99_ms of _all_ \\ &lt; & x')).toBe('p99_ms of \\_all\\_ \\\\ \\&lt; & x');
  expect(text('two\n lines')).toBe('two lines');
});

test('code has a fence longer than any in it', () => {
  expect(code('SELECT 1')).toBe('`SELECT 1`');
  expect(code('SELECT `id` FROM t')).toBe('``SELECT `id` FROM t``');
  expect(code('`a` ``b``')).toBe('``` `a` ``b`` ```');
  expect(code('a|b')).toBe('`a|b`');
});

test('a moment is the same in each zone, and says so', () => {
  expect(utc(Date.UTC(2026, 10, 29, 16, 44, 5) + 999)).toBe('2026-11-29 16:44:05 UTC');
});

import { expect, test } from 'vitest';
import { sqlParts } from './sql';

test('keywords are set apart, texts and comments are not, and nothing is lost', () => {
  const sql = 'select a -- from here\nFROM t WHERE b = \'from x\' AND "order" = $1 /* limit */ limit 2';
  const parts = sqlParts(sql);
  expect(parts.map((p) => p.text).join('')).toBe(sql);
  expect(parts.filter((p) => p.keyword).map((p) => p.text)).toEqual(['select', 'FROM', 'WHERE', 'AND', 'limit']);
});

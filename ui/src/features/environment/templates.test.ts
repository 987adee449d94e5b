import { expect, test } from 'vitest';
import { linesOf, templatesOf } from './templates';

test('lines are what they were made of', () => {
  const templates = { user: 'user:{id}:*', tag: 'a=b:{id}' };
  expect(linesOf(templates)).toBe('user = user:{id}:*\ntag = a=b:{id}');
  expect(templatesOf(linesOf(templates))).toEqual({ templates, fault: null });
  expect(templatesOf(' \n')).toEqual({ templates: {}, fault: null });
  expect(linesOf(null)).toBe('');
});

test('a line that says nothing is neither dropped nor guessed', () => {
  expect(templatesOf('user:{id}:*')).toEqual({ templates: { 'line 1': 'user:{id}:*' }, fault: 'Line 1 is no name = pattern' });
  expect(templatesOf('user = a:{id}\n\nuser = b:{id}')).toEqual({
    templates: { user: 'a:{id}', 'line 3': 'user = b:{id}' },
    fault: 'user is named twice',
  });
  expect(templatesOf('= a:{id}').fault).toBe('Line 1 is no name = pattern');
});

import { expect, test } from 'vitest';
import { pathOf, queryOf, ROUTES } from './routes';

test('a fragment names a screen', () => {
  expect(pathOf('#/overview')).toBe('/overview');
  expect(pathOf('#/start?open=demo')).toBe('/start');
  expect(queryOf('#/start?open=demo').get('open')).toBe('demo');
});

test('anything else is the start screen', () => {
  for (const hash of ['', '#', '#/', '#token=x']) expect(pathOf(hash)).toBe('/start');
});

test('keys and paths are used once', () => {
  expect(new Set(ROUTES.map((r) => r.key)).size).toBe(ROUTES.length);
  expect(new Set(ROUTES.map((r) => r.path)).size).toBe(ROUTES.length);
});

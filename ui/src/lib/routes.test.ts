import { expect, test } from 'vitest';
import { editedBy, pathOf, queryOf, routeOf, ROUTES, shownAt } from './routes';

test('a fragment names a screen', () => {
  expect(pathOf('#/overview')).toBe('/overview');
  expect(pathOf('#/start?open=demo')).toBe('/start');
  expect(queryOf('#/start?open=demo').get('open')).toBe('demo');
});

test('anything else is the start screen', () => {
  for (const hash of ['', '#', '#/', '#token=x']) expect(pathOf(hash)).toBe('/start');
  expect(shownAt('/nowhere', true).screen).toBe('start');
});

test('keys and paths are used once', () => {
  expect(new Set(ROUTES.map((r) => r.key)).size).toBe(ROUTES.length);
  expect(new Set(ROUTES.map((r) => r.path)).size).toBe(ROUTES.length);
});

test('what lies under a route belongs to it, a longer word does not', () => {
  expect(routeOf('/benchmarks/run-1')?.title).toBe('Benchmarks');
  expect(routeOf('/benchmarksx')).toBeUndefined();
  expect(shownAt('/benchmarks/run-1', true)).toEqual({ screen: 'benchmarks', title: 'Benchmarks' });
});

test('the overview needs an environment', () => {
  expect(shownAt('/overview', false)).toEqual({ screen: 'start', title: 'Start' });
  expect(shownAt('/overview', true)).toEqual({ screen: 'overview', title: 'Overview' });
});

test('the editor is told which environment', () => {
  expect(editedBy('/environments/new')).toBeNull();
  expect(editedBy('/environments/e%201')).toBe('e 1');
  expect(editedBy('/overview')).toBeUndefined();
  expect(shownAt('/environments/new', false).title).toBe('Add environment');
});

import { expect, test } from 'vitest';
import { FEATURES } from '../features';
import { editedBy } from '../features/environment/routes';
import { addressOf, fragmentOf, pathOf, queryOf } from '../kit/address';
import { featureAt, RAIL, shownAt, tabAt } from './routes';

test('a fragment names a screen', () => {
  expect(pathOf('#/overview')).toBe('/overview');
  expect(pathOf('#/start?open=demo')).toBe('/start');
  expect(queryOf('#/start?open=demo').get('open')).toBe('demo');
});

test('a fragment may name an environment', () => {
  expect(addressOf('#/e/a%20b/benchmarks/run-1?x=1')).toEqual({ environment: 'a b', path: '/benchmarks/run-1' });
  expect(addressOf('#/e/shop')).toEqual({ environment: 'shop', path: '/overview' });
  expect(addressOf('#/e/%zz/overview').environment).toBe('%zz');
  expect(addressOf('#/experiments')).toEqual({ environment: null, path: '/experiments' });
  for (const id of ['shop', 'a b', 'x/y', 'ü%'])
    expect(addressOf(`#${fragmentOf(id, '/database')}`)).toEqual({ environment: id, path: '/database' });
});

test('an address without a screen is the start screen, and one of a screen that is not there says so', () => {
  for (const hash of ['', '#', '#/', '#token=x']) expect(pathOf(hash)).toBe('/start');
  for (const path of ['/nowhere', '/benchmarksx', '/environments', '/environments/a/b']) {
    expect(shownAt(path, true).title, path).toBe('No such screen');
    expect(shownAt(path, false).title, path).toBe('No such screen');
  }
});

test('keys and paths are used once', () => {
  expect(new Set(RAIL.map((f) => f.rail.key)).size).toBe(RAIL.length);
  expect(new Set(FEATURES.map((f) => f.path)).size).toBe(FEATURES.length);
});

test('what lies under a route belongs to it, a longer word does not', () => {
  expect(featureAt('/benchmarks/run-1')?.title).toBe('Benchmarks');
  expect(featureAt('/benchmarksx')).toBeUndefined();
  expect(shownAt('/benchmarks/run-1', true).title).toBe('Benchmarks');
});

test('the overview needs an environment', () => {
  expect(shownAt('/overview', false).title).toBe('Start');
  expect(shownAt('/overview', true).title).toBe('Overview');
});

test('the editor is told which environment', () => {
  expect(editedBy('/environments/new')).toBeNull();
  expect(editedBy('/environments/e%201')).toBe('e 1');
  expect(editedBy('/overview')).toBeUndefined();
  expect(shownAt('/environments/new', false).title).toBe('Add environment');
});

test('a path belongs to the nearest part of its screen', () => {
  const [first, second] = [
    { path: '/cache', title: 'Map' },
    { path: '/cache/keys', title: 'Keys' },
  ];
  const feature = { path: '/cache', title: 'Cache', tabs: [first, second], load: () => Promise.reject(new Error('not shown')) };
  expect(tabAt(feature, '/cache')).toBe(first);
  expect(tabAt(feature, '/cache/keys')).toBe(second);
  expect(tabAt(feature, '/cache/keys/session')).toBe(second);
  expect(tabAt(feature, '/cache/keysx'), 'it lies under the first alone').toBe(first);
  expect(tabAt({ ...feature, tabs: [] }, '/cache')).toBeUndefined();
});

test('every part of a screen is one, and has the address of its screen or one below it', () => {
  for (const feature of FEATURES)
    for (const tab of feature.tabs ?? []) {
      expect(shownAt(tab.path, true).feature, tab.path).toBe(feature);
      expect(tabAt(feature, tab.path), tab.path).toBe(tab);
    }
});

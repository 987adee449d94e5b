import { expect, test } from 'vitest';
import type { FindingTarget } from '../backend/types';
import { pathOf, queryOf } from '../kit/address';
import { placeOf, routeOf } from '../kit/findings';
import { featureAt } from './routes';

const change: FindingTarget = { what: 'change', kind: 'drop_index', object: 'public.two & "more"' };

test('everything that a finding leads to has a screen', () => {
  const all: FindingTarget[] = [
    { what: 'overview' },
    { what: 'environment' },
    { what: 'database' },
    { what: 'cache' },
    { what: 'gateway' },
    { what: 'settings' },
    change,
    { what: 'route', method: 'GET', path: '/analytics' },
    { what: 'statement', sql: 'SELECT 1' },
    { what: 'keys', pattern: 'session:*' },
  ];
  for (const opens of all) expect(featureAt(routeOf(opens).split('?')[0]!), opens.what).toBeDefined();
});

test('the address of a change that is to be planned names it whole', () => {
  const query = queryOf(`#${routeOf(change)}`);
  expect([query.get('plan'), query.get('object')]).toEqual(['drop_index', 'public.two & "more"']);
});

test('a finding that a change would mend is listed with what it is about, not with the changes', () => {
  const action = { label: 'Review', opens: change };
  expect(placeOf({ action, target: 'database' })).toBe('/database');
  expect(placeOf({ action, target: 'host' }), 'a target without a screen').toBe('/overview');
  expect(placeOf({ action: { label: 'Review', opens: { what: 'cache' } }, target: 'database' })).toBe('/cache');
  expect(pathOf(routeOf(change))).toBe('/changes');
  const down = { label: 'Review connection', opens: { what: 'environment' } } as const;
  expect(placeOf({ action: down, target: 'cache' }), 'a target that is down is listed at its screen').toBe('/cache');
});

test('what is measured next is named whole in the address of the form', () => {
  const query = (opens: FindingTarget) => Object.fromEntries(queryOf(`#${routeOf(opens)}`));
  expect(query({ what: 'route', method: 'GET', path: '/a b?c=1&d=2' })).toEqual({ kind: 'http', path: '/a b?c=1&d=2' });
  expect(query({ what: 'route', method: 'POST', path: '/a' })).toEqual({ kind: 'http', path: '/a', method: 'POST' });
  expect(query({ what: 'statement', sql: 'SELECT * FROM t WHERE a = $1 & 2' })).toEqual({
    kind: 'sql',
    statement: 'SELECT * FROM t WHERE a = $1 & 2',
  });
  expect(query({ what: 'keys', pattern: 'session:*' })).toEqual({ kind: 'cache', pattern: 'session:*' });
});

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
});

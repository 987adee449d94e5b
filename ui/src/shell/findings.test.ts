import { expect, test } from 'vitest';
import type { FindingTarget } from '../backend/types';
import { routeOf } from '../kit/findings';
import { featureAt } from './routes';

test('everything that a finding leads to has a screen', () => {
  const all: FindingTarget[] = [
    { what: 'overview' },
    { what: 'environment' },
    { what: 'database' },
    { what: 'cache' },
    { what: 'gateway' },
    { what: 'settings' },
    { what: 'change', kind: 'drop_index', object: 'public.two' },
  ];
  for (const opens of all) expect(featureAt(routeOf(opens).split('?')[0]!), opens.what).toBeDefined();
});

import { expect, test, vi } from 'vitest';
import { stays } from './environments';
import { byRecent } from './recent.svelte';

vi.mock('../backend', async () => (await import('../testing/backend')).door);

test('another environment is shown on the same screen, without what belongs to the former', () => {
  const to = (path: string): string => stays(path);
  expect(['/database', '/metrics', '/settings', '/reports', '/benchmarks', '/changes'].map(to)).toEqual([
    '/database',
    '/metrics',
    '/settings',
    '/reports',
    '/benchmarks',
    '/changes',
  ]);
  expect([to('/benchmarks/r1'), to('/benchmarks/compare/a/b')], 'runs are of one environment').toEqual(['/benchmarks', '/benchmarks']);
  expect([to('/benchmarks/plans/p1'), to('/benchmarks/new'), to('/reports/p1')], 'these are of none').toEqual([
    '/benchmarks/plans/p1',
    '/benchmarks/new',
    '/reports/p1',
  ]);
  expect([to('/start'), to('/environments/new'), to('/')]).toEqual(['/overview', '/overview', '/overview']);
});

test('environments that were not opened stand by name, 9 before 10', () => {
  const named = (name: string) => ({ id: name, name });
  expect(byRecent(['clinic 10', 'Clinic 9', 'billing 2'].map(named)).map((e) => e.name)).toEqual(['billing 2', 'Clinic 9', 'clinic 10']);
});

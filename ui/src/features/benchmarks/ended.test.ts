import { expect, test } from 'vitest';
import { fakeApp } from '../../testing/app';
import { comparison, job, knee, run, runSummary } from '../../testing/values';
import type { JobResult } from '../../backend/types';
import { ended } from './ended';

const done = (result: JobResult | null) => job({ state: 'done', result });

test('an invalid run says why before its figures', async () => {
  const { app } = fakeApp(
    { 'run.get': () => run({ name: 'checkout', valid: false, invalid_reasons: ['the generator was at its limit'] }) },
    { path: '/' },
  );
  const said = await ended(app, done({ kind: 'run', id: 'r1' }));
  expect([said?.tone, said?.text]).toEqual(['bad', 'checkout ended. Invalid: the generator was at its limit']);
});

test('a comparison says what failed in its runs before its verdict', async () => {
  let runs = [runSummary({ id: 'r1' }), runSummary({ id: 'r2', errors: 40 }), runSummary({ id: 'other', errors: 1 })];
  const { app, address } = fakeApp(
    { 'comparison.get': () => comparison({ verdict: 'faster', sentence: 'Faster: p99 −31 %' }), 'run.list': () => runs },
    { path: '/metrics' },
  );
  const said = await ended(app, done({ kind: 'comparison', id: 'c1' }));
  expect([said?.tone, said?.text]).toEqual(['bad', 'before and after ended. 2 runs, 1 with errors. Faster: p99 −31 %']);
  said?.action?.run();
  expect(address.path).toBe('/benchmarks/comparison/c1');
  runs = [];
  address.go('/metrics');
  const well = await ended(app, done({ kind: 'comparison', id: 'c1' }));
  expect([well?.tone, well?.text]).toEqual(['ok', 'before and after ended. Faster: p99 −31 %']);
});

test('a search says its sentence', async () => {
  const { app } = fakeApp({ 'knee.get': () => knee({ state: 'never_holds', sentence: 'Holds at no concurrency.' }) }, { path: '/metrics' });
  const said = await ended(app, done({ kind: 'knee', id: 'k1' }));
  expect([said?.tone, said?.text]).toEqual(['bad', 'Knee of GET / at p99<50ms ended. Holds at no concurrency.']);
});

test('who watches it, is at its result or comes there meanwhile is not told; nor is what came to nothing', async () => {
  const { app, address, calls } = fakeApp({
    'run.get': () => {
      address.go('/benchmarks/r1');
      return run();
    },
  });
  for (const path of ['/benchmarks/live', '/benchmarks/r1']) {
    address.go(path);
    expect(await ended(app, done({ kind: 'run', id: 'r1' }))).toBeNull();
  }
  expect([await ended(app, done(null)), calls]).toEqual([null, []]);
  address.go('/benchmarks');
  expect([await ended(app, done({ kind: 'run', id: 'r1' })), calls]).toEqual([null, ['run.get']]);
});

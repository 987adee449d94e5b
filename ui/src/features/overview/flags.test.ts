import { expect, test } from 'vitest';
import { runSummary } from '../../testing/values';
import { flags } from './flags';

const part = { kind: 'comparison' as const, id: 'c1', name: 'after against before' };
const pairs = Array.from({ length: 16 }, (_, i) => runSummary({ id: `p${i}`, started_ms: 2000 - i, name: `pair ${i}`, part_of: part }));

test('sixteen runs of a duet are one flag, where the first began', () => {
  expect(flags([runSummary({ started_ms: 3000, name: 'single' }), ...pairs], 40)).toEqual([
    { t: 3000, label: 'single' },
    { t: 1985, label: 'after against before, 16 runs' },
  ]);
});

test('the flag of several runs says what failed in them', () => {
  const [first, ...rest] = pairs;
  expect(flags([{ ...first!, errors: 3 }, ...rest], 40)[0]?.label).toBe('after against before, 16 runs, 1 with errors');
});

test('they take the place of one, not of sixteen', () => {
  const many = Array.from({ length: 50 }, (_, i) => runSummary({ id: `r${i}`, started_ms: 1000 - i, name: `run ${i}` }));
  const found = flags([...pairs, ...many], 40);
  expect([found.length, found.at(-1)?.label]).toEqual([40, 'run 38']);
});

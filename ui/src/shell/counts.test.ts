import { expect, test } from 'vitest';
import { counts } from './counts';

const finding = (what: 'database' | 'gateway' | 'overview') => ({
  target: 'database' as const,
  action: { label: 'Review', opens: { what } },
});
const change = { target: 'database', action: { label: 'Review', opens: { what: 'change', kind: 'drop_index', object: 'i' } } } as const;

test('findings are counted where their action leads', () => {
  const got = counts([finding('database'), change, finding('gateway')], []);
  expect([...got].map(([path, c]) => [path, c.value, c.words])).toEqual([
    ['/database', 2, '2 findings'],
    ['/gateway', 1, '1 finding'],
  ]);
});

test('running work comes before findings, ended work is not counted', () => {
  const got = counts(
    [finding('overview')],
    [
      { kind: 'bench', state: 'running' },
      { kind: 'bench', state: 'done' },
      { kind: 'demo', state: 'running' },
    ],
  );
  expect(got.get('/benchmarks')).toEqual({ value: 1, running: true, words: '1 running' });
  expect(got.size).toBe(2);
});

test('what a feature counts itself stands beside its name, until work of it runs', () => {
  const own = new Map([['/changes', { value: 2, running: false, failed: true, words: '2 changes are in force, one was cut off' }]]);
  expect(counts([change], [], own).get('/changes')).toBe(own.get('/changes'));
  expect(counts([], [{ kind: 'change', state: 'running' }], own).get('/changes')).toEqual({
    value: 1,
    running: true,
    words: '1 running',
  });
});

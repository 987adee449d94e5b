import { expect, test } from 'vitest';
import { counts } from './counts';

const finding = (route: string) => ({ action: { label: 'Review', route } });

test('findings are counted where their action leads', () => {
  const got = counts([finding('/database'), finding('/database?index=1'), finding('/gateway'), finding('/nowhere')], []);
  expect([...got].map(([path, c]) => [path, c.value, c.words])).toEqual([
    ['/database', 2, '2 findings'],
    ['/gateway', 1, '1 finding'],
  ]);
});

test('running work comes before findings, ended work is not counted', () => {
  const got = counts(
    [finding('/benchmarks')],
    [
      { kind: 'bench', state: 'running' },
      { kind: 'bench', state: 'done' },
      { kind: 'demo', state: 'running' },
    ],
  );
  expect(got.get('/benchmarks')).toEqual({ value: 1, running: true, words: '1 running' });
  expect(got.size).toBe(1);
});

import { expect, test } from 'vitest';
import type { PartOf } from '../backend/types';
import { comparison, knee as search, runSummary } from '../testing/values';
import { belonging, folded } from './folds';

const duet: PartOf = { kind: 'comparison', id: 'c1', name: 'after against before' };
const knee: PartOf = { kind: 'knee', id: 'k1', name: 'Knee of GET /' };

test('what belongs together stands where the first of it stood, in order', () => {
  const list: [string, PartOf | null][] = [
    ['d2', duet],
    ['own', null],
    ['k2', knee],
    ['d1', duet],
    ['k1', knee],
    ['last', null],
  ];
  const found = folded(list, ([, part]) => part).map((f) =>
    f.part === null ? f.item[0] : `${f.part.name}: ${f.items.map(([n]) => n).join(' ')}`,
  );
  expect(found).toEqual(['after against before: d2 d1', 'own', 'Knee of GET /: k2 k1', 'last']);
});

test('runs of an earlier version, which say nothing, stand for themselves', () => {
  expect(folded([{}, {}] as { part_of?: PartOf }[], (r) => r.part_of).every((f) => f.part === null)).toBe(true);
});

test('runs of an earlier version are told by their comparison, or by the step of their search', () => {
  const k = search({ created_ms: 2000 });
  const step = (of: Parameters<typeof runSummary>[0]) =>
    runSummary({ name: 'knee, 32 connections', request: 'GET /', connections: 32, rate_per_s: 2000, started_ms: 1000, ...of });
  const of = belonging([comparison({ id: 'c1', runs_a: ['r1'], runs_b: [] })], [k]);
  expect(of(runSummary({ id: 'r1' }))?.id).toBe('c1');
  expect(of(step({ id: 's' }))).toEqual({ kind: 'knee', id: 'k1', name: 'Knee of GET / at p99<50ms' });
  const others = [
    { rate_per_s: 2000.1 },
    { connections: 1 },
    { request: 'GET /x' },
    { environment_id: null },
    { name: 'mine' },
    { started_ms: 3000 },
  ];
  expect(others.map((o) => of(step({ id: 'o', ...o })))).toEqual(others.map(() => null));
});

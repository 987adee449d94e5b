import { expect, test } from 'vitest';
import type { PartOf } from '../backend/types';
import { folded } from './folds';

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

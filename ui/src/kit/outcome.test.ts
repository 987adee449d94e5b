import { expect, test } from 'vitest';
import { run, threshold } from '../testing/values';
import { failed, outcomeOf } from './outcome';

const well = outcomeOf(run());
const missed = outcomeOf(run({ thresholds: [threshold({ ok: false })], errors: 3 }));
const invalid = outcomeOf(run({ valid: false }));

test('several runs say what failed in them, the worst first', () => {
  expect(failed([well])).toBe('');
  expect(failed([well, missed, invalid, missed])).toBe('1 invalid, 2 with a failed threshold, 2 with errors');
});

// The words of a proof: its verdict, how it was measured, what became of what was predicted.
import type { ChangeProof, ProofClass, ProofMethod, ProofStatement, ProofVerdict, ShareRange, ValueClass } from '../../../backend/types';
import type { Mark } from '../../../kit/changes/words';
import { DASH, integer, significant, THIN } from '../../../kit/figures';
import { percent } from '../../../kit/format';
import { changeWord, rangeWords, SLOWER } from './words';

const VERDICTS: Readonly<Record<ProofVerdict, readonly [Mark, string]>> = {
  proven: ['holds', 'Proven'],
  no_gain: ['warning', 'No gain'],
  regression: ['failed', 'Slower'],
  not_used: ['warning', 'Not used'],
  fragile: ['warning', 'Fragile'],
  unclear: ['unknown', 'Unclear'],
};
export const verdictMark = (verdict: ProofVerdict): Mark => VERDICTS[verdict][0];
export const verdictWord = (verdict: ProofVerdict): string => VERDICTS[verdict][1];

export const PROOF_METHODS: Readonly<Record<ProofMethod, string>> = {
  hidden: 'the index hidden within a transaction that is rolled back',
  hypopg_hide: 'the index hidden from the planner (HypoPG)',
  dropped_inside: 'the index dropped within a transaction that is rolled back',
  ignore_hint: 'the index ignored by hint',
  copies: 'two copies of the file',
};

const CLASSES: Readonly<Record<ValueClass, string>> = {
  as_written: 'as written',
  frequent: 'frequent values',
  rare: 'rare values',
  far_end: 'values at the far end of the order',
  absent: 'values that are not there',
};
export const classWord = (of: ValueClass): string => CLASSES[of];

/** `−95 to −91 %`. */
export const intervalWord = (range: ShareRange | null): string =>
  range === null ? DASH : `${changeWord(range.low).replace(/\s?%$/, '')} to ${changeWord(range.high)}`;

/** What was measured of the workload beside what was predicted. */
export function savedWords(proof: ChangeProof, predicted: ShareRange | null): string {
  const measured =
    proof.saved === null ? null : `${percent(proof.saved.value)} of database time saved (95${THIN}% interval ${rangeWords(proof.saved)})`;
  const said = predicted === null ? null : `predicted ${percent(predicted.value)} (${rangeWords(predicted)})`;
  return [measured, said].filter((words) => words !== null).join('; ');
}

/** Pages that a run touched, without and with the index. */
export const buffersWord = (of: ProofClass): string =>
  of.buffers_before === null || of.buffers_after === null ? DASH : `${integer(of.buffers_before)} → ${integer(of.buffers_after)}`;

export const msWord = (ms: number | null): string => (ms === null ? DASH : significant(ms));

export const sameWord = (of: ProofClass): { mark: Mark; word: string } =>
  of.same_rows === null
    ? { mark: 'none', word: 'left open' }
    : of.same_rows
      ? { mark: 'holds', word: 'same' }
      : { mark: 'failed', word: 'differ' };

/** What a measured change is by its interval: less, more than 5 % more, or neither for sure. */
export const toneOf = (change: ShareRange): 'better' | 'worse' | 'none' =>
  change.high < 0 ? 'better' : change.low > SLOWER - 1 ? 'worse' : 'none';

/** Whether the plan with the index uses it; of a statement that writes it is maintained, not used. */
export function usedWord(of: ProofClass, writes: boolean): { mark: Mark; word: string } {
  if (!of.used) return { mark: writes ? 'none' : 'warning', word: 'not used' };
  return of.used_after_analyze === false ? { mark: 'warning', word: 'not after ANALYZE' } : { mark: 'holds', word: 'used' };
}

/** Whether a prediction came true. */
export const landedWord = (of: ProofStatement): { mark: Mark; word: string } | null =>
  of.landed === null ? null : of.landed ? { mark: 'holds', word: 'inside' } : { mark: 'warning', word: 'outside' };

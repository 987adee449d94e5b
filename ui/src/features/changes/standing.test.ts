import { expect, test } from 'vitest';
import { change, cutOffChange, plannedChange } from '../../testing/changes';
import { AT } from '../../testing/values';
import { existing, groupOf } from '../../kit/changes/group';
import { checkedMs, countOf, groupNote, sentence, troubled, troubleOf } from './standing';
import { ago, chain, ends, journalText, kindWord, pieces, saysMark, stepWords, undoCosts } from '../../kit/changes/words';

const undone = change({ id: 'u', state: 'undone', steps: [...change().steps, { at_ms: AT + 9000, state: 'undone', text: '' }] });
const says = (s: Parameters<typeof sentence>[0]): string => {
  const { strong, rest } = sentence(s);
  return `${strong} ${rest}`.trim();
};

test('the sentence says how much is in force, and the worst of it first', () => {
  expect(says([])).toBe('Nothing was changed by Perfdeck');
  expect(says([change()])).toBe('1 change is in force, as it was applied');
  expect(says([change(), change({ id: 'b' }), undone])).toBe('2 changes are in force, all as they were applied');
  expect(says([change(), cutOffChange({ id: 'b' })])).toBe('2 changes are in force, one was cut off: a part of it is on the target');
  expect(says([cutOffChange(), cutOffChange({ id: 'b' })])).toBe('2 changes are in force, 2 were cut off');
  const differs = change({ target_says: { says: 'differs', text: 'something else is called two now' } });
  expect(says([differs])).toBe('1 change is in force, one was changed by somebody else');
  expect(says([plannedChange(), undone])).toBe('No change is in force: one is planned and waits for you');
  expect(says([undone])).toBe('No change is in force: the targets are as they were');
});

test('a target that did not answer is not said to be well', () => {
  const silent = change({ id: 'b', target_says: { says: 'unreachable', text: 'The target did not answer within 4 s' } });
  expect(says([change(), silent])).toBe('2 changes are in force, as far as is known: one could not be asked about');
  expect(says([change({ target_says: null })]), 'nor is one that was never asked').toBe('1 change is in force');
  expect(troubleOf(silent), 'which is no reason to undo it').toBeNull();
});

test('what needs a person comes first; what somebody works on does not', () => {
  const failed = change({ id: 'f', error: { code: 'timeout', message: 'It took too long', hint: null, retryable: false } });
  expect(troubled([failed, change(), cutOffChange({ id: 'x' })]).map((c) => c.id)).toEqual(['x', 'f']);
  expect(troubled([cutOffChange({ held: true })])).toEqual([]);
  expect(groupNote('in force', [failed, cutOffChange(), change({ ends_ms: AT })])).toBe('2 as applied, 2 need you, 1 ends by itself');
});

test('the rail counts what is in force, and marks what was cut off', () => {
  expect(countOf([undone, plannedChange()])).toBeNull();
  expect(countOf([change(), undone])).toEqual({ value: 1, running: false, failed: false, words: '1 change is in force' });
  expect(countOf([change(), cutOffChange({ id: 'b' })])).toEqual({
    value: 2,
    running: false,
    failed: true,
    words: '2 changes are in force, one was cut off',
  });
});

test('how old the answers are is told by the oldest one about what is in force', () => {
  expect(checkedMs([change({ checked_ms: AT + 9000 }), change({ checked_ms: AT + 4000 }), { ...undone, checked_ms: AT }])).toBe(AT + 4000);
  expect(checkedMs([plannedChange()])).toBeNull();
});

test('a change that is there already is found again, one that is past is not', () => {
  expect(existing([undone, plannedChange({ id: 'p' })], 'drop_index', 'public.two')?.id).toBe('p');
  expect(existing([undone], 'drop_index', 'public.two')).toBeNull();
  expect(existing([change()], 'drop_index', 'public.three')).toBeNull();
});

const words = (of: Parameters<typeof chain>[0]): string =>
  chain(of)
    .map(({ word, mark }) => (mark === null ? `(${word})` : mark === 'holds' ? word : `${word}:${mark}`))
    .join(' ');

test('the chain of states shows what was reached, and where it branched off', () => {
  expect(words(plannedChange())).toBe('Planned (Applied) (Verified) (Kept)');
  expect(words(change())).toBe('Planned Applied Verified (Kept)');
  expect(words(change({ state: 'kept' }))).toBe('Planned Applied Verified Kept');
  expect(words(cutOffChange())).toBe('Planned Cut off:failed');
  expect(words(undone)).toBe('Planned Applied Verified Undone:none');
  expect(words(plannedChange({ state: 'failed' }))).toBe('Planned Failed:failed');
  expect(words(plannedChange({ state: 'lapsed' }))).toBe('Planned Lapsed:none');
  expect(words(change({ state: 'undoing' }))).toBe('Planned Applied Verified Undoing:running');
  expect(words(cutOffChange({ state: 'applying' }))).toBe('Planned Applying:running (Verified) (Kept)');
});

test('what the target says is judged by what it should say', () => {
  const before = { says: 'as_before', text: 'present and valid' } as const;
  expect(saysMark(change({ state: 'undone' }), before)).toBe('none');
  expect(saysMark(change({ state: 'kept' }), before), 'somebody took it back').toBe('warning');
  expect(saysMark(change({ state: 'verified' }), { says: 'as_applied', text: '' })).toBe('holds');
  expect(saysMark(change({ state: 'verified' }), { says: 'not_allowed', text: '' })).toBe('unknown');
  expect(saysMark(plannedChange(), before), 'it waits to be applied').toBe('none');
  const gone = { says: 'as_applied', text: 'the session is gone' } as const;
  expect(saysMark(plannedChange({ state: 'lapsed' }), gone), 'that is why it lapsed').toBe('none');
  expect(saysMark(change({ state: 'kept', undo_statement: null }), gone), 'it was ended for good').toBe('holds');
  expect(saysMark(change({ state: 'cut_off' }), { says: 'half_done', text: '' })).toBe('failed');
});

test('when it ends and what undoing costs are unknown, not nothing, where they are unknown', () => {
  expect([ends(plannedChange(), AT), undoCosts(change({ undo_cost: null }))]).toEqual(['–', '–']);
  expect([ends(change(), AT), ends(change({ ends_ms: AT + 60_000 }), AT)]).toEqual(['until undone', expect.stringMatching(/^ends \d\d:/)]);
  const ended = change({ state: 'kept', undo_statement: null });
  expect(groupOf(plannedChange({ state: 'lapsed' }))).toBe('past');
  expect(groupOf(ended), 'what was done for good waits for nobody').toBe('past');
  const stays = change({ undo_statement: null, undo_cost: null });
  expect([ends(stays, AT), undoCosts(stays)]).toEqual(['stays', 'cannot be undone']);
});

test('ages are rounded down, in one unit', () => {
  const of = (s: number): string => ago(AT, AT + s * 1000).replace('\u202f', ' ');
  expect([-1, 0.9, 59, 60, 3599, 7200, 172_800].map(of)).toEqual([
    '0 s ago',
    '0 s ago',
    '59 s ago',
    '1 min ago',
    '59 min ago',
    '2 h ago',
    '2 d ago',
  ]);
});

test('keywords of a statement are marked, names in quotes are not', () => {
  expect(
    pieces('DROP INDEX "ON"')
      .filter((p) => p.keyword)
      .map((p) => p.text),
  ).toEqual(['DROP', 'INDEX']);
  expect(
    pieces(`SELECT 'A B'`)
      .map((p) => p.text)
      .join(''),
  ).toBe(`SELECT 'A B'`);
});

test('steps without a text of their own say what their state means, also in the copied journal', () => {
  expect(stepWords({ at_ms: AT, state: 'applying', text: '' }, true)).toMatchObject({ mark: 'running', word: 'Applying' });
  expect(stepWords({ at_ms: AT, state: 'applying', text: '' }, false).mark, 'what went on is over').toBe('none');
  const text = journalText(change());
  expect(text.split('\n')).toHaveLength(7);
  expect(text).toContain('Verified   absent; public.one serves instead');
  expect(text).not.toContain('`');
});

test('a kind that this window does not know has its own name', () => {
  expect([kindWord('drop_index'), kindWord('soft_expiry')]).toEqual(['Index', 'soft expiry']);
});

// The words and glyphs of changes.
import type { Change, ChangeOffer, ChangeState, ChangeStep, IndexSpec, TargetSays } from '../../backend/types';
import { DASH, integer, THIN } from '../figures';
import { ageS, clock, dayTime } from '../format';
import { groupOf } from './group';

const KINDS: Readonly<Record<string, string>> = {
  create_index: 'Index',
  drop_index: 'Index',
  hide_index: 'Index',
  cancel_statement: 'Statement',
  terminate_session: 'Session',
  cache_edit: 'Key',
};

/** What is altered, in a word; of a kind that this window does not know, its name. */
export const kindWord = (kind: string): string => KINDS[kind] ?? kind.replaceAll('_', ' ');

const PLANS: Readonly<Record<string, string>> = {
  create_index: 'Create an index',
  drop_index: 'Drop an index',
  hide_index: 'Hide an index',
  cancel_statement: 'Cancel a statement',
  terminate_session: 'Terminate a session',
  cache_edit: 'Edit a key',
};
/** What planning a kind is about. */
export const planWord = (kind: string): string => PLANS[kind] ?? `Change of the kind ${kind.replaceAll('_', ' ')}`;

/** A title without its backticks. */
export const plain = (title: string): string => title.replaceAll('`', '');

export type Mark = 'holds' | 'running' | 'failed' | 'warning' | 'unknown' | 'none';

/** One word of the chain of states; without a mark it is yet to come. */
export interface Link {
  word: string;
  mark: Mark | null;
}

const CHAIN = ['Planned', 'Applied', 'Verified', 'Kept'] as const;
/** How many words of the chain a state stands for. */
const REACHED: Readonly<Record<ChangeState, number>> = {
  planned: 1,
  previewed: 1,
  armed: 1,
  applying: 1,
  applied: 2,
  verified: 3,
  kept: 4,
  undoing: 1,
  undone: 1,
  failed: 1,
  lapsed: 1,
  cut_off: 1,
};
/** What follows the words that were reached, where the chain ends or branches off. */
const BRANCH: Readonly<Partial<Record<ChangeState, Link>>> = {
  armed: { word: 'Applying', mark: 'running' },
  applying: { word: 'Applying', mark: 'running' },
  undoing: { word: 'Undoing', mark: 'running' },
  undone: { word: 'Undone', mark: 'none' },
  failed: { word: 'Failed', mark: 'failed' },
  lapsed: { word: 'Lapsed', mark: 'none' },
  cut_off: { word: 'Cut off', mark: 'failed' },
};

/** How far a change came, as a chain of words. */
export function chain(change: Pick<Change, 'state' | 'steps'>): Link[] {
  const branch = BRANCH[change.state];
  // What is on its way counts as it is; what ended or was cut off, by how far it had come.
  const steps = branch ? Math.max(1, ...change.steps.map((s) => REACHED[s.state])) : REACHED[change.state];
  const reached = CHAIN.slice(0, steps).map((word): Link => ({ word, mark: 'holds' }));
  if (!branch) return [...reached, ...CHAIN.slice(steps).map((word): Link => ({ word, mark: null }))];
  const on = branch.word === 'Applying' ? CHAIN.slice(2).map((word): Link => ({ word, mark: null })) : [];
  return [...(branch.word === 'Applying' ? reached.slice(0, 1) : reached), branch, ...on];
}

const STATES: Readonly<Record<ChangeState, readonly [Mark, string, string]>> = {
  planned: ['holds', 'Planned', 'the target was asked, and the statements are known'],
  previewed: ['holds', 'Previewed', 'what it gives and costs was predicted'],
  armed: ['holds', 'Armed', 'the guards allow it'],
  applying: ['running', 'Applying', 'its undo is stored, and the statement is sent'],
  applied: ['holds', 'Applied', 'the target took it'],
  verified: ['holds', 'Verified', 'the target confirms it'],
  kept: ['holds', 'Kept', 'kept by a person'],
  undoing: ['running', 'Undoing', 'the undo statement is sent'],
  undone: ['none', 'Undone', 'the target is as before'],
  failed: ['failed', 'Failed', 'nothing of it is on the target'],
  lapsed: ['none', 'Lapsed', 'the target came to be so without it'],
  cut_off: ['failed', 'Cut off', 'it ended in the middle'],
};

/** The word of a state. */
export const stateWord = (state: ChangeState): string => STATES[state][1];
/** A step of the journal: its glyph, its state and what happened. `last` steps may still go on. */
export function stepWords(step: ChangeStep, last: boolean): { mark: Mark; word: string; text: string } {
  const [mark, word, text] = STATES[step.state];
  return { mark: mark === 'running' && !last ? 'none' : mark, word, text: step.text || text };
}

/** The glyph before what the target says; what is well for a change in force is nothing to note of a past one. */
export function saysMark(change: Pick<Change, 'state' | 'undo_statement'>, says: TargetSays): Mark {
  const group = groupOf(change);
  const past = group === 'past';
  switch (says.says) {
    case 'as_applied':
      // One that lapsed is past because of it, and one that is kept for good is as it should be.
      if (change.state === 'lapsed') return 'none';
      return past && change.state !== 'kept' ? 'warning' : 'holds';
    case 'as_before':
      return group === 'in force' ? 'warning' : 'none';
    case 'differs':
      return 'warning';
    case 'half_done':
      return 'failed';
    case 'unreachable':
    case 'not_allowed':
      return 'unknown';
  }
}

/** How long ago something was, in one unit, rounded down: an age is never made to look older than it is. */
export function ago(ms: number, nowMs: number): string {
  const s = Math.floor(ageS(ms, nowMs));
  const [n, unit] = s < 60 ? [s, 's'] : s < 3600 ? [s / 60, 'min'] : s < 172_800 ? [s / 3600, 'h'] : [s / 86_400, 'd'];
  return `${integer(Math.floor(n))}${THIN}${unit} ago`;
}

/** A time of the journal: with its day where that is not today. */
export const when = (ms: number, nowMs: number): string =>
  new Date(ms).toDateString() === new Date(nowMs).toDateString() ? clock(ms) : dayTime(ms);

/** When a change ends. */
export function ends(change: Change, nowMs: number): string {
  if (groupOf(change) === 'past') return when(change.updated_ms, nowMs);
  if (change.ends_ms !== null) return `ends ${when(change.ends_ms, nowMs)}`;
  if (groupOf(change) === 'planned' || change.state === 'cut_off') return DASH;
  return change.undo_statement === null ? 'stays' : 'until undone';
}

/** What undoing costs. */
export function undoCosts(change: Change): string {
  if (groupOf(change) === 'past') return DASH;
  return change.undo_statement === null ? 'cannot be undone' : (change.undo_cost ?? DASH);
}

const OFFERS: Readonly<Record<ChangeOffer, string>> = {
  apply: 'Apply the change',
  discard: 'Discard the change',
  finish: 'Finish the change',
  keep: 'Keep the change',
  undo: 'Undo the change',
  clean_up: 'Clean up',
};
export const offerWord = (offer: ChangeOffer): string => OFFERS[offer];

const DOES: Readonly<Record<ChangeOffer, string>> = {
  apply: 'apply the change',
  discard: 'discard the change',
  finish: 'finish the change',
  keep: 'keep the change',
  undo: 'undo the change',
  clean_up: 'take away what is half done',
};
/** The same within a sentence. */
export const offerDoes = (offer: ChangeOffer): string => DOES[offer];

/** A piece of a statement: keywords are marked, quoted text never is. */
export function pieces(sql: string): { text: string; keyword: boolean }[] {
  return sql
    .split(/("[^"]*"|'[^']*'|`[^`]*`|\b[A-Z]{2,}\b)/)
    .filter((text) => text !== '')
    .map((text) => ({ text, keyword: /^[A-Z]{2,}$/.test(text) }));
}

/** The journal of a change as text, a line for each step. */
export const journalText = (change: Change): string =>
  [
    plain(change.title),
    ...change.steps.map((s) => {
      const { word, text } = stepWords(s, false);
      return `${new Date(s.at_ms).toISOString()}  ${word.padEnd(9)}  ${text}`;
    }),
  ].join('\n');

/** What a change would alter, before it is planned: an index that is to be created is described, everything else has a name. */
export function objectWord(kind: string, object: string): string {
  if (kind !== 'create_index') return object;
  try {
    const spec = JSON.parse(object) as Partial<IndexSpec>;
    const keys = (spec.keys ?? []).map((key) => ('column' in key.of ? key.of.column : `(${key.of.expression})`));
    return spec.table !== undefined && keys.length > 0 ? `${spec.table} (${keys.join(', ')})` : object;
  } catch {
    return object;
  }
}

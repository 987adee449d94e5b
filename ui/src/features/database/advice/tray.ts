// Changes of indexes that wait for somebody: how far each is, what can be done with it, and why the rest cannot.
import type { Change, ChangeOffer, ProveRequest, WaitedFor } from '../../../backend/types';
import { groupOf } from '../../../kit/changes/group';
import { stateWord, when, type Link, type Mark } from '../../../kit/changes/words';
import { lasted } from '../../../kit/figures';
import { short } from './findings';
import { verdictMark, verdictWord } from './proof';

/** Kinds of changes that are about indexes. */
const KINDS: ReadonlySet<string> = new Set(['create_index', 'drop_index', 'hide_index']);

/** Whether it waits for somebody: not kept, not past. */
export const isPending = (change: Change): boolean => KINDS.has(change.kind) && groupOf(change) !== 'past' && change.state !== 'kept';

/**
 * What is in the tray, in the order in which it was planned: no row moves under a pointer because another one was applied. `seen` are
 * those that came to their end while it was looked at.
 */
export const trayOf = (changes: readonly Change[], seen: ReadonlySet<string>): Change[] =>
  changes.filter((c) => isPending(c) || (KINDS.has(c.kind) && seen.has(c.id))).sort((a, b) => a.created_ms - b.created_ms);

const came = (change: Change, state: Change['state']): number | null => change.steps.findLast((s) => s.state === state)?.at_ms ?? null;
const APPLIED: ReadonlySet<string> = new Set(['applied', 'verified', 'kept']);
export const isApplied = (change: Change): boolean => APPLIED.has(change.state);

/** How far a change came: planned, previewed, applied, proven. */
export function pathOf(change: Change): Link[] {
  const holds = (word: string, reached: boolean): Link => ({ word, mark: reached ? 'holds' : null });
  const first = [holds('Planned', true), holds('Previewed', change.state !== 'planned')];
  const last = { word: stateWord(change.state), mark: 'none' as Mark };
  if (change.state === 'armed' || change.state === 'applying')
    return [...first, { word: 'Applying', mark: 'running' }, { word: 'Proven', mark: null }];
  if (change.state === 'undoing') return [...first, { word: 'Undoing', mark: 'running' }];
  if (change.state === 'undone' || change.state === 'lapsed') return [...first, last];
  if (change.state === 'failed' || change.state === 'cut_off') return [...first, { ...last, mark: 'failed' }];
  const proof = change.proof;
  const end: Link =
    proof === null ? { word: 'Proven', mark: null } : { word: verdictWord(proof.verdict), mark: verdictMark(proof.verdict) };
  const kept = change.state === 'kept' ? [holds('Kept', true)] : [];
  return [...first, holds('Applied', isApplied(change)), end, ...kept];
}

/** Sessions that a build would wait for and that are named, the oldest first. */
export const blockersOf = (change: Change): readonly WaitedFor[] => (change.waits?.answer === 'sessions' ? change.waits.sessions : []);
/** How many it would wait for, as its preview found; null where that is not known. */
export function blockerCount({ waits }: Change): number | null {
  if (waits === null || waits.answer === 'hidden') return null;
  return waits.answer === 'open' ? waits.transactions : waits.sessions.length + waits.left_out;
}

/** What is to be known of a change now, in a few words. */
export function standing(change: Change, now: number): { mark: Mark | null; text: string } {
  if (change.held) return { mark: 'running', text: 'being worked on' };
  if (change.state === 'cut_off') return { mark: 'failed', text: change.target_says?.text ?? 'cut off' };
  if (groupOf(change) === 'past') return { mark: null, text: change.target_says?.text ?? '' };
  if (change.state === 'kept') return { mark: null, text: 'kept' };
  if (isApplied(change)) {
    if (change.target_says && change.target_says.says !== 'as_applied') return { mark: 'warning', text: change.target_says.text };
    const [began, ended] = [came(change, 'applying'), came(change, 'applied')];
    if (ended === null) return { mark: null, text: 'applied' };
    return { mark: null, text: `applied ${when(ended, now)}${began === null ? '' : ` in ${lasted((ended - began) / 1000)}`}` };
  }
  const blockers = change.waits?.answer === 'sessions' ? (blockerCount(change) ?? 0) : 0;
  if (blockers > 0) return { mark: 'warning', text: `waits for ${blockers} blocker${blockers === 1 ? '' : 's'}` };
  return { mark: null, text: 'nothing was sent' };
}

/** What a proof runs, and for how long, in seconds. */
export type Measured = Pick<ProveRequest, 'statements' | 'writes' | 'seconds'>;

export type Act = 'apply' | 'prove' | 'keep' | 'undo';
/** Which offer of a change an action takes; null for a proof, and where it is not offered. */
export function offerOf(change: Change, act: Act): ChangeOffer | null {
  const offers: Readonly<Record<Act, readonly ChangeOffer[]>> = {
    apply: ['apply', 'finish'],
    prove: [],
    keep: ['keep'],
    undo: ['undo', 'clean_up'],
  };
  return offers[act].find((offer) => change.offers.includes(offer)) ?? null;
}

/** Why an action cannot be done with a change as it is; null where it can. */
export function whyNot(change: Change, act: Act): string | null {
  if (change.held) return 'It is being worked on';
  if (groupOf(change) === 'past') return `It is ${stateWord(change.state).toLowerCase()}`;
  if (act === 'prove') {
    if (change.kind !== 'create_index') return 'Only an index that was created is proven: it is measured with it and without it';
    return isApplied(change) ? null : 'Apply it first: what is not there cannot be measured';
  }
  if (offerOf(change, act) !== null) return null;
  if (act === 'apply') return isApplied(change) ? 'It is applied' : 'It cannot be applied as it is now';
  if (act === 'keep') return change.state === 'kept' ? 'It is kept' : 'Apply it first';
  return change.undo_statement === null ? 'It cannot be undone' : 'Nothing of it is on the target';
}

export const ACTS: Readonly<Record<Act, string>> = { apply: 'Apply', prove: 'Prove', keep: 'Keep', undo: 'Undo' };

/** The words of its button where the change was cut off. */
export const actWord = (change: Change, act: Act): string => {
  const offer = offerOf(change, act);
  return offer === 'finish' ? 'Finish' : offer === 'clean_up' ? 'Clean up' : ACTS[act];
};

/** The statements of what is not applied yet, to be run elsewhere. */
export const sqlOf = (changes: readonly Change[]): string =>
  changes
    .filter((c) => groupOf(c) === 'planned')
    .map((c) => `${c.statement.replace(/;?\s*$/, '')};`)
    .join('\n');

/** What a change does, without how, where there is room for little. */
const VERBS: Readonly<Record<string, string>> = { create_index: 'CREATE', drop_index: 'DROP', hide_index: 'HIDE' };
export const briefOf = (change: Change): string => `${VERBS[change.kind] ?? 'CHANGE'} INDEX ${short(change.object)}`;

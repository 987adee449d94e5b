// Which changes are in force, planned and past.
import type { Change, ChangeOffer, ChangeState } from '../../backend/types';

const PAST: readonly ChangeState[] = ['undone', 'failed', 'lapsed'];
const WAITING: readonly ChangeState[] = ['planned', 'previewed', 'armed'];

export type Group = 'in force' | 'planned' | 'past';

/** Whether something of a change is, or may be, on the target. */
export function groupOf(change: Pick<Change, 'state' | 'undo_statement'>): Group {
  // What was done and cannot be undone waits for nobody.
  if (PAST.includes(change.state) || (change.state === 'kept' && change.undo_statement === null)) return 'past';
  return WAITING.includes(change.state) ? 'planned' : 'in force';
}

export const GROUPS: readonly Group[] = ['in force', 'planned', 'past'];

/** Offers that alter the target; the guards are asked about them. */
export const alters = (offer: ChangeOffer): boolean => offer !== 'keep' && offer !== 'discard';

/** The change that is there already for what a finding leads to: it is shown, and none is planned beside it. */
export const existing = (changes: readonly Change[], kind: string, object: string): Change | null =>
  changes.find((c) => c.kind === kind && c.object === object && groupOf(c) !== 'past') ?? null;

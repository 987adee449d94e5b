// How changes stand: which are in force, planned and past, which need a person, and the sentence that says so.
import type { Change, Says } from '../../backend/types';
import { groupOf, type Group } from '../../kit/changes/group';
import type { Count } from '../../kit/feature';
import { integer } from '../../kit/figures';

/** What is wrong with a change that is in force; null where nothing is, or somebody works on it. */
export type Trouble = 'cut off' | 'half done' | 'differs' | 'gone' | 'failed';

export function troubleOf(change: Change): Trouble | null {
  if (groupOf(change) !== 'in force' || change.held) return null;
  if (change.state === 'cut_off') return 'cut off';
  switch (change.target_says?.says) {
    case 'half_done':
      return 'half done';
    case 'differs':
      return 'differs';
    case 'as_before':
      return 'gone';
    default:
      return change.error === null ? null : 'failed';
  }
}

const TROUBLES: Readonly<Record<Trouble, string>> = {
  'cut off': 'was cut off',
  'half done': 'is half done',
  differs: 'was changed by somebody else',
  gone: 'is not there any more',
  failed: 'failed in its last step',
};
/** The short of what a target says, as the end of a sentence about one change. */
const SAYS: Readonly<Record<Says, string>> = {
  as_applied: 'all of it is on the target',
  as_before: 'nothing of it is on the target',
  differs: 'the target has something else',
  half_done: 'a part of it is on the target',
  unreachable: 'the target could not be asked',
  not_allowed: 'the target does not let Perfdeck look',
};
/** The worst first. */
const ORDER = Object.keys(TROUBLES) as Trouble[];

/** Changes that need a person, the worst first. */
export const troubled = (changes: readonly Change[]): Change[] =>
  ORDER.flatMap((trouble) => changes.filter((c) => troubleOf(c) === trouble));

/** `1 change is`, `2 changes are`. */
const are = (n: number): string => `${integer(n)} ${n === 1 ? 'change is' : 'changes are'}`;
const number = (n: number): string => (n === 1 ? 'one' : integer(n));

/** The answer to "what has Perfdeck altered here": its strong part, and what follows. */
export interface Sentence {
  strong: string;
  rest: string;
}

export function sentence(changes: readonly Change[]): Sentence {
  const force = changes.filter((c) => groupOf(c) === 'in force');
  if (force.length === 0) return withoutForce(changes);
  const strong = `${are(force.length)} in force`;
  const bad = troubled(force);
  const worst = bad[0] && troubleOf(bad[0]);
  if (bad[0] && worst) {
    const same = bad.filter((c) => troubleOf(c) === worst);
    // Of `is` and `was` there is one form for each number.
    const words = same.length === 1 ? TROUBLES[worst] : TROUBLES[worst].replace(/^was\b/, 'were').replace(/^is\b/, 'are');
    const says = same.length === 1 && bad[0].target_says && worst !== 'differs' && worst !== 'gone' ? SAYS[bad[0].target_says.says] : '';
    return { strong: `${strong}, ${number(same.length)} ${words}${says ? ':' : ''}`, rest: says };
  }
  const moving = force.filter((c) => c.held).length;
  if (moving > 0) return { strong: `${strong}:`, rest: moving === 1 ? 'one is being worked on' : `${integer(moving)} are being worked on` };
  const asApplied = force.filter((c) => c.target_says?.says === 'as_applied').length;
  const unasked = force.filter((c) => ['unreachable', 'not_allowed'].includes(c.target_says?.says ?? '')).length;
  if (unasked > 0) return { strong: `${strong},`, rest: `as far as is known: ${number(unasked)} could not be asked about` };
  if (asApplied < force.length) return { strong, rest: '' };
  return { strong: `${strong},`, rest: force.length === 1 ? 'as it was applied' : 'all as they were applied' };
}

function withoutForce(changes: readonly Change[]): Sentence {
  const planned = changes.filter((c) => groupOf(c) === 'planned').length;
  if (planned > 0)
    return {
      strong: 'No change is in force:',
      rest: planned === 1 ? 'one is planned and waits for you' : `${integer(planned)} are planned and wait for you`,
    };
  if (changes.length === 0) return { strong: 'Nothing was changed by Perfdeck', rest: '' };
  return { strong: 'No change is in force:', rest: 'the targets are as they were' };
}

/** When the targets were asked: the oldest answer about a change in force, in milliseconds since 1970; null before the first. */
export function checkedMs(changes: readonly Change[]): number | null {
  const asked = changes.filter((c) => groupOf(c) === 'in force').flatMap((c) => c.checked_ms ?? []);
  return asked.length === 0 ? null : Math.min(...asked);
}

/** What the head of a group says about it. */
export function groupNote(group: Group, of: readonly Change[]): string {
  if (group === 'planned') return 'nothing was sent';
  if (group === 'past') return 'nothing is left of it on a target';
  const asApplied = of.filter((c) => c.target_says?.says === 'as_applied').length;
  const bad = of.filter((c) => troubleOf(c) !== null).length;
  const ending = of.filter((c) => c.ends_ms !== null).length;
  return [
    `${integer(asApplied)} as applied`,
    ...(bad > 0 ? [`${integer(bad)} ${bad === 1 ? 'needs' : 'need'} you`] : []),
    ...(ending > 0 ? [`${integer(ending)} ${ending === 1 ? 'ends by itself' : 'end by themselves'}`] : []),
  ].join(', ');
}

/** What stands beside the screen's name: the changes in force; nothing where there are none. */
export function countOf(changes: readonly Change[]): Count | null {
  const value = changes.filter((c) => groupOf(c) === 'in force').length;
  if (value === 0) return null;
  const failed = troubled(changes).length > 0;
  return { value, running: false, failed, words: sentence(changes).strong.replace(/[:,]$/, '') };
}

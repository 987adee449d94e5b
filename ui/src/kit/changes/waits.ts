// Whom a change would wait for, and whom it keeps waiting; the engine says the same (`src-tauri/crates/words/src/change.rs`).
import type { BuildLock, Change, WaitedFor, WaitsFor } from '../../backend/types';
import { integer, plural, seconds } from '../figures';
import { visible } from '../names';

/** One session that a change would wait for. */
export const waitedForWords = ({ pid, name, state, age_s }: WaitedFor): string =>
  `It would wait for session ${pid} (${visible(name)}, ${state}), whose transaction is open for ${seconds(age_s)}`;

/** Whom a change would wait for, a sentence each; empty where nobody is known to hold it up. */
export function waitsWords(waits: WaitsFor): string[] {
  switch (waits.answer) {
    case 'sessions': {
      const more = waits.left_out > 0 ? [`It would wait for ${plural(waits.left_out, 'more session')}`] : [];
      return [...waits.sessions.map(waitedForWords), ...more];
    }
    case 'open': {
      if (waits.transactions === 0) return [];
      const are = waits.transactions === 1 ? 'transaction is' : 'transactions are';
      const oldest = waits.oldest_s === null ? '' : `, the oldest for ${seconds(waits.oldest_s)}`;
      return [`${integer(waits.transactions)} ${are} open now${oldest}; it waits for those that use the table`];
    }
    case 'hidden':
      return ['How many transactions it would wait for is hidden from this user'];
  }
}

const LOCKS: Readonly<Record<BuildLock, string>> = {
  share_update_exclusive:
    'SELECT, INSERT, UPDATE and DELETE go on; VACUUM, ANALYZE, ALTER and other builds of the table wait (SHARE UPDATE EXCLUSIVE)',
  in_place: 'SELECT, INSERT, UPDATE and DELETE go on; ALTER of the table waits, and everybody for a moment at both ends',
  writers: 'SELECT goes on; whoever writes to the file waits for as long as it is built',
};
/** Whom the build of an index keeps waiting. */
export const lockWords = (lock: BuildLock): string => LOCKS[lock];

/** All that is to be known of a change before it is applied, a sentence each. */
export const noteWords = (change: Change): string[] => [
  ...(change.lock === null ? [] : [lockWords(change.lock)]),
  ...(change.waits === null ? [] : waitsWords(change.waits)),
  ...change.notes,
];

// The journal in words, and as Markdown.
import * as md from '../../kit/markdown';
import type { JournalEntry, JournalKind } from '../../backend/types';

export const JOURNAL_WORDS: Record<JournalKind, string> = {
  load_started: 'Load started',
  load_ended: 'Load ended',
  load_refused: 'Load refused',
  unlocked: 'Unlocked',
  locked: 'Locked',
  created: 'Created',
  changed: 'Changed',
  deleted: 'Deleted',
  restored: 'Restored',
  target_change: 'Change of a target',
  target_change_refused: 'Change refused',
};

/** Which entries lead to their run: the newest of each run, so that a run is linked once. */
export function runLinks(entries: readonly JournalEntry[]): ReadonlySet<JournalEntry> {
  const newest = new Map<string, JournalEntry>();
  for (const e of entries) {
    const known = e.run_id === null ? undefined : newest.get(e.run_id);
    if (e.run_id !== null && (!known || e.at_ms > known.at_ms)) newest.set(e.run_id, e);
  }
  return new Set(newest.values());
}

/** A table of entries; what would break it is escaped. */
export function journalMarkdown(entries: readonly JournalEntry[]): string {
  const rows = entries.map((e) => md.row([md.utc(e.at_ms), JOURNAL_WORDS[e.kind], md.text(e.environment ?? '–'), md.text(e.text)]));
  return ['| when | what | environment | details |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

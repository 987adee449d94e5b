// The journal in words, and as Markdown.
import * as md from '../../kit/markdown';
import type { JournalEntry, JournalKind } from '../../backend/types';
import { KEPT_MS } from '../../kit/deleted';

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

/** Whether what an entry says was deleted can be restored yet. */
export const restorable = (e: JournalEntry, nowMs: number): boolean =>
  e.kind === 'deleted' && e.text.includes('can be restored') && nowMs < e.at_ms + KEPT_MS;

/** Which entries lead to their run: the newest of each run, so that a run is linked once. */
export function runLinks(entries: readonly JournalEntry[]): ReadonlySet<JournalEntry> {
  const newest = new Map<string, JournalEntry>();
  for (const e of entries) {
    const known = e.run_id === null ? undefined : newest.get(e.run_id);
    if (e.run_id !== null && (!known || e.at_ms > known.at_ms)) newest.set(e.run_id, e);
  }
  return new Set(newest.values());
}

/** What tells entries apart, newest first, also when newer ones come and the oldest are no longer listed. */
export function keysOf(entries: readonly JournalEntry[]): string[] {
  const same = new Map<number, number>();
  const oldestFirst = [...entries].reverse().map(({ at_ms }) => {
    const before = same.get(at_ms) ?? 0;
    same.set(at_ms, before + 1);
    return `${at_ms}.${before}`;
  });
  return oldestFirst.reverse();
}

/** A table of entries; what would break it is escaped. */
export function journalMarkdown(entries: readonly JournalEntry[]): string {
  const rows = entries.map((e) => md.row([md.utc(e.at_ms), JOURNAL_WORDS[e.kind], md.text(e.environment ?? '–'), md.text(e.text)]));
  return ['| when | what | environment | details |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

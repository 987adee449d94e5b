import { expect, test } from 'vitest';
import type { JournalEntry, JournalKind } from '../../backend/types';
import { JOURNAL_WORDS, journalMarkdown, keysOf, restorable, runLinks } from './journal';

const entry = (at_ms: number, kind: JournalKind, run_id: string | null = null): JournalEntry => ({
  at_ms,
  kind,
  environment_id: 'e',
  environment: 'clinic',
  text: '',
  run_id,
  part_of: null,
});

test('a run is linked once, where it was last heard of', () => {
  const [ended, started, unlocked, lost] = [
    entry(40, 'load_ended', 'r1'),
    entry(30, 'load_started', 'r1'),
    entry(20, 'unlocked'),
    entry(10, 'load_started', 'r0'),
  ];
  const links = runLinks([ended, started, unlocked, lost]);
  expect(links.has(ended), 'where it ended').toBe(true);
  expect(links.has(started), 'not again where it started').toBe(false);
  expect(links.has(unlocked), 'nothing without a run').toBe(false);
  expect(links.has(lost), 'where it started when its end was never written').toBe(true);
});

test('an entry stays the same one when a newer one comes and the oldest is no longer listed', () => {
  const all = [entry(40, 'load_ended'), entry(30, 'unlocked'), entry(30, 'locked'), entry(20, 'created')];
  const keys = keysOf(all);
  expect(new Set(keys).size, 'those of one millisecond too').toBe(4);
  expect(keysOf([entry(50, 'load_started'), ...all.slice(0, -1)]).slice(1)).toEqual(keys.slice(0, -1));
});

test('what was deleted leads to where it is restored, for as long as it can be', () => {
  const deleted = { ...entry(0, 'deleted'), text: 'it can be restored for a week' };
  const week = 7 * 86_400_000;
  expect(restorable(deleted, week - 1)).toBe(true);
  expect(restorable(deleted, week)).toBe(false);
  expect(restorable({ ...deleted, text: 'its secrets are gone' }, 1)).toBe(false);
  expect(restorable({ ...deleted, kind: 'restored' }, 1)).toBe(false);
});

test('each kind has words of its own', () => {
  const words = Object.values(JOURNAL_WORDS);
  expect(new Set(words).size, 'no two kinds look the same').toBe(words.length);
});

test('the journal is a Markdown table whatever its words are', () => {
  const entry: JournalEntry = {
    at_ms: Date.UTC(2026, 10, 23, 17, 0, 5),
    kind: 'load_refused',
    environment_id: 'e',
    environment: 'a|b',
    text: 'GET /x\nis over the cap \\ of 100/s',
    run_id: null,
    part_of: null,
  };
  expect(journalMarkdown([entry]).split('\n')).toEqual([
    '| when | what | environment | details |',
    '| --- | --- | --- | --- |',
    '| 2026-11-23 17:00:05 UTC | Load refused | a\\|b | GET /x is over the cap \\\\ of 100/s |',
    '',
  ]);
});

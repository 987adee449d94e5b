import { expect, test } from 'vitest';
import type { JournalEntry, JournalKind } from '../../backend/types';
import { JOURNAL_WORDS, journalMarkdown, runLinks } from './journal';

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

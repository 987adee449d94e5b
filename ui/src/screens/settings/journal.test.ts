import { expect, test } from 'vitest';
import type { JournalEntry } from '../../backend/types';
import { journalMarkdown } from './journal';

test('the journal is a Markdown table whatever its words are', () => {
  const entry: JournalEntry = {
    at_ms: Date.UTC(2026, 10, 23, 17, 0, 5),
    kind: 'load_refused',
    environment_id: 'e',
    environment: 'a|b',
    text: 'GET /x\nis over the cap \\ of 100/s',
    run_id: null,
  };
  expect(journalMarkdown([entry]).split('\n')).toEqual([
    '| when | what | environment | details |',
    '| --- | --- | --- | --- |',
    '| 2026-11-23T17:00:05.000Z | Load refused | a\\|b | GET /x is over the cap \\\\ of 100/s |',
    '',
  ]);
});

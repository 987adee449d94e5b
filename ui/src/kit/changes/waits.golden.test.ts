// What the engine's `words` crate is held against too.
import { expect, test } from 'vitest';
import golden from '../../../../src-tauri/crates/words/golden/figures.json';
import { narrowed } from '../../backend/narrow';
import type { BuildLock, WaitsFor } from '../../backend/types';
import { lockWords, waitsWords } from './waits';

test('whom a change waits for is said as the engine says it', () => {
  for (const row of golden.waits) expect(waitsWords(row.waits as WaitsFor), JSON.stringify(row.waits)).toEqual(row.said.map(narrowed));
  for (const [lock, text] of Object.entries(golden.locks)) expect(lockWords(lock as BuildLock)).toBe(text);
});

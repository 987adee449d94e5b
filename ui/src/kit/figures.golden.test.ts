// What the engine's `words` crate is held against too: the same figures and sentences on every face.
import { narrowed } from '../backend/narrow';
import { describe, expect, it } from 'vitest';
import golden from '../../../src-tauri/crates/words/golden/figures.json';
import {
  bytes,
  duration,
  exactly,
  format,
  integer,
  lasted,
  percent,
  plural,
  rate,
  seconds,
  setting,
  significant,
  type Unit,
} from './figures';

const FUNCTIONS: Record<string, (value: number, unit: string) => string> = {
  integer,
  significant: (value, digits) => significant(value, Number(digits)),
  rate,
  seconds,
  duration,
  lasted,
  exactly,
  setting: (value) => setting(value),
  bytes,
  percent,
  plural,
};

/** What JSON has no numbers for is written as a word. */
const number = (value: number | string | null): number | null => (typeof value === 'string' ? Number(value) : value);

describe('the golden table', () => {
  it('has at least 80 figures', () => expect(golden.figures.length).toBeGreaterThanOrEqual(80));

  it.each(golden.figures)('$function of $value in "$unit" is $text', (row) => {
    const value = number(row.value);
    const said = row.function === 'format' ? format(value, row.unit as Unit) : FUNCTIONS[row.function]!(value!, row.unit);
    // The engine's texts have thin spaces; the door makes them narrow (`backend/narrow.ts`).
    expect(said).toBe(narrowed(row.text));
  });
});

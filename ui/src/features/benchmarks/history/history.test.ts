import { describe, expect, it } from 'vitest';
import type { RunHistory } from '../types';
import { percent } from '../../../kit/figures';
import { changeWords, ends, figureOf, historyCsv, historySentence, isWorse, levels, since } from './history';

const at = (day: number): number => new Date(2026, 10, day, 14, 3).getTime();
const NOW = at(23);
const history = (changes: RunHistory['changes'] = []): RunHistory => ({
  runs: Array.from({ length: 10 }, (_, i) => ({
    run_id: `r${i}`,
    name: `run "${i}"`,
    started_ms: at(i + 8),
    rate_per_s: i < 4 ? 300 : 200,
    p50_ms: 10,
    p99_ms: i < 4 ? 40 : 54,
    too_small: [],
    valid: i !== 2,
  })),
  changes,
});
const change = (metric: string, run_id: string, before: number, after: number) => ({
  metric,
  run_id,
  before,
  after,
  change: after / before - 1,
  p: 0.0001,
});
const plain = (text: string): string => text.replaceAll('\u202f', ' ');

describe('history', () => {
  it('says since when', () => {
    const h = history([change('p99', 'r4', 40, 53.6)]);
    expect(plain(changeWords(h.changes[0]!, h, NOW))).toBe('p99 +34 % since 12 Nov 14:03');
    expect(since(new Date(2025, 0, 2, 3, 4).getTime(), NOW)).toBe('2 Jan 2025 03:04');
    expect(plain(percent(-0.052))).toBe('−5.2 %');
  });
  it('has levels from change to change', () => {
    const h = history([change('p99', 'r7', 54, 60), change('p99', 'r4', 40, 54), change('rate', 'r4', 300, 200)]);
    expect(levels(h, 'p99').map((l) => [l.from, l.to, l.value])).toEqual([
      [0, 3, 40],
      [4, 6, 54],
      [7, 9, 60],
    ]);
    expect(levels(h, 'p50')).toEqual([]);
  });
  it('knows better from worse', () => {
    expect(isWorse({ metric: 'rate', change: -0.1 })).toBe(true);
    expect(isWorse({ metric: 'p99', change: -0.1 })).toBe(false);
  });
  it('says of a percentile that has too few requests that n is too small', () => {
    const few = { ...history().runs[0]!, p99_ms: null, too_small: ['p99'] };
    expect([figureOf(few, 'p99'), plain(figureOf(few, 'p50'))]).toEqual(['n too small', '10.0 ms']);
    expect(figureOf({ ...few, too_small: [] }, 'p99'), 'unknown for another reason').toBe('–');
  });
  it('answers in a sentence', () => {
    expect(plain(historySentence(history([change('rate', 'r4', 300, 200)]), NOW).text)).toBe('rate −33 % since 12 Nov 14:03, 9 valid runs');
    expect(historySentence(history([change('p99', 'r4', 54, 40)]), NOW).word).toBe('Faster');
    expect(historySentence(history(), NOW)).toEqual({ word: null, text: 'No change of level in 9 valid runs' });
    expect(historySentence({ runs: [], changes: [] }, NOW).text).toContain('too few');
  });
  it('starts its axis at 0 unless all is far from it', () => {
    expect(ends([10, 100]).min).toBe(0);
    expect(ends([95, 100]).min).toBeGreaterThan(80);
    expect(ends([])).toEqual({ min: 0, max: 1 });
  });
  it('is copied as CSV with quoted names', () => expect(historyCsv(history())).toContain('"run ""3"""'));
});

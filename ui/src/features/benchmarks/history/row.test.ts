// @vitest-environment jsdom
import { render, screen } from '@testing-library/svelte';
import { describe, expect, test } from 'vitest';
import type { HistoryChange, RunHistory } from '../types';
import HistoryRow from './HistoryRow.svelte';

const change = (of: Partial<HistoryChange> = {}): HistoryChange => ({
  metric: 'p99',
  run_id: 'r4',
  before: 40,
  after: 54,
  change: 0.35,
  p: 0.0001,
  ...of,
});
/** Ten runs; the third is invalid and far away, the sixth has no percentiles. */
const history = (changes: HistoryChange[] = []): RunHistory => ({
  runs: Array.from({ length: 10 }, (_, i) => ({
    run_id: `r${i}`,
    name: `run ${i}`,
    started_ms: i,
    rate_per_s: 300,
    p50_ms: i === 5 ? null : 10,
    p99_ms: i === 5 ? null : i === 2 ? 9000 : i < 4 ? 40 : 54,
    too_small: [],
    valid: i !== 2,
  })),
  changes,
});
const draw = (of: Partial<{ history: RunHistory; row: 'rate' | 'p50' | 'p99'; at: number | null }> = {}): HTMLElement => {
  render(HistoryRow, { history: history(), row: 'p99', width: 600, at: null, x: (i: number) => 20 + i * 60, ...of });
  return screen.getByTestId(`history-${of.row ?? 'p99'}`);
};
const text = (element: Element | null): string => (element?.textContent ?? '').replaceAll(/[\u202f]/g, ' ').trim();
const readout = (row: HTMLElement): string => text(row.querySelector('.readout'));

describe('one metric over the runs', () => {
  test('is named, with what its axis begins at', () => {
    const row = draw();
    expect(text(row.querySelector('.title'))).toBe('Response p99');
    expect(text(row.querySelector('.what')), 'all is far from zero').toMatch(/^axis from 3\d(\.\d)? ms$/);
    const [low, high] = [...row.querySelectorAll('.axis')].map(text);
    expect([low, high].every((label) => label!.endsWith('ms'))).toBe(true);
  });

  test('is not stretched by a run that went wrong', () => {
    const labels = [...draw().querySelectorAll('.axis')].map((l) => Number.parseFloat(text(l)));
    expect(Math.max(...labels)).toBeLessThan(100);
  });

  test('has a point for every run that has a figure, hollow where it is invalid', () => {
    const row = draw();
    expect(row.querySelectorAll('circle').length, 'unknown is no point').toBe(9);
    expect(row.querySelectorAll('circle.invalid').length).toBe(1);
  });

  test('says its last figure until a run is pointed at', () => expect(readout(draw())).toBe('54.0 mslast run'));
  test('says the figure of the run that is pointed at', () => expect(readout(draw({ at: 0 }))).toBe('40.0 msthis run'));
  test('says that it is invalid', () => expect(readout(draw({ at: 2 }))).toBe('9.00 sinvalid'));
  test('says a figure that is not known as such', () => expect(readout(draw({ at: 5 }))).toBe('–this run'));
  test('points at it on the plot', () => {
    const row = draw({ at: 3 });
    expect(row.querySelector('.cursor')?.getAttribute('x1')).toBe('200.5');
  });

  test('has one level from change to change, and says each change in its colour', () => {
    const worse = draw({ history: history([change()]) });
    expect(worse.querySelectorAll('.level').length).toBe(2);
    expect(text(worse.querySelector('text.bad'))).toBe('+35 %');
    expect(worse.querySelector('text.good')).toBeNull();
  });
  test('less time is for the better', () => {
    const better = draw({ history: history([change({ before: 54, after: 40, change: -0.26 })]) });
    expect(text(better.querySelector('text.good'))).toBe('−26 %');
  });
  test('a change of another metric is not drawn here', () => {
    expect(draw({ history: history([change({ metric: 'rate' })]) }).querySelector('.level')).toBeNull();
  });
  test('throughput is a rate', () => expect(readout(draw({ row: 'rate' }))).toBe('300/slast run'));
  test('no run has no figure and no error', () => expect(readout(draw({ history: { runs: [], changes: [] } }))).toBe(''));
});

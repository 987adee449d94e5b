import { describe, expect, it } from 'vitest';
import { bucketAt, bucketFrom, bucketWords, cellWords, Heat, heatLabels, level, MOST_COLUMNS, quantile, rampTop, rowsFor } from './heat';

const plain = (text: string): string => text.replaceAll('\u202f', ' ');

describe('buckets', () => {
  it('are quarter octaves of microseconds', () => {
    expect(bucketFrom(0)).toBeCloseTo(0.001);
    expect(bucketFrom(40)).toBeCloseTo(1.024);
    expect(bucketAt(bucketFrom(37))).toBeCloseTo(37);
  });
  it('say what they hold, how many and how much of the column', () => {
    expect(plain(cellWords(Math.floor(bucketAt(12.9)), 340, 10_968))).toBe('12–14 ms, 340 requests, 3.10 %');
    expect(plain(bucketWords(0))).toBe('1.0–1.2 µs');
    expect(plain(bucketWords(Math.floor(bucketAt(2000))))).toBe('1.8–2.1 s');
    expect(plain(cellWords(50, 1, 0))).toMatch(/1 request, –$/);
  });
});

describe('colour', () => {
  it('is none for none, the first step for one, the last for the most', () => {
    expect([level(0, 64), level(1, 64), level(64, 64), level(9999, 64)]).toEqual([0, 2, 8, 8]);
    expect(level(1, 4096)).toBe(1);
    expect([rampTop(0), rampTop(1), rampTop(65)]).toEqual([2, 2, 128]);
  });
  it('never goes down with the count', () => {
    const steps = Array.from({ length: 300 }, (_, i) => level(i, 256));
    expect(steps.every((s, i) => i === 0 || s >= steps[i - 1]!)).toBe(true);
  });
});

describe('axis', () => {
  it('makes rows as tall as fit', () => {
    expect(rowsFor(40, 71, 128)).toEqual({ low: 40, count: 32, px: 4 });
    expect(rowsFor(40, 50, 128).px).toBe(8);
    expect(rowsFor(0, 119, 128).px).toBe(1);
  });
  it('labels decades, or finer steps where there is only one', () => {
    expect(heatLabels(rowsFor(36, 67, 128))).toEqual([1, 10, 100]);
    expect(heatLabels(rowsFor(54, 64, 128)).length).toBeGreaterThan(1);
  });
});

describe('a growing heatmap', () => {
  it('adds frames to their second', () => {
    const heat = new Heat(1000);
    heat.add(1100, [[50, 3]]);
    heat.add(2000, [[50, 2], [52, 1]]); // prettier-ignore
    heat.add(2100, [[50, 7]]);
    expect(heat.columns.map((c) => [...c])).toEqual([[[50, 5], [52, 1]], [[50, 7]]]); // prettier-ignore
    expect([heat.total(0), heat.most, heat.low, heat.high]).toEqual([6, 7, 50, 52]);
    expect(heat.indexAt(2500)).toBe(1);
    expect(heat.indexAt(9000)).toBeNull();
  });
  it('folds two columns into one instead of growing without bound', () => {
    const heat = new Heat(0);
    for (let s = 1; s <= 3 * MOST_COLUMNS; s += 1) heat.add(s * 1000, [[60, 1]]);
    expect(heat.columns.length).toBeLessThanOrEqual(MOST_COLUMNS);
    expect(heat.columnMs).toBe(4000);
    expect(heat.columns.reduce((sum, _, i) => sum + heat.total(i), 0)).toBe(3 * MOST_COLUMNS);
  });
  it('knows quantiles to within a bucket', () => {
    const column = new Map([[50, 99], [70, 1]]); // prettier-ignore
    expect(bucketAt(quantile(column, 0.5)!)).toBeCloseTo(50.5, 1);
    expect(bucketAt(quantile(column, 0.995)!)).toBeCloseTo(70.5, 1);
    expect(quantile(new Map(), 0.5)).toBeNull();
  });
  it('is copied as CSV', () => {
    const heat = Heat.of({ started_ms: 5000, column_s: 2, columns: [[], [[40, 2]]] });
    expect(heat.csv().split('\n')).toEqual(['t_ms,seconds,from_ms,to_ms,requests', '7000,2,1.02400,1.21775,2', '']);
  });
});

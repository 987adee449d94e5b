import { describe, expect, it } from 'vitest';
import { TimeSeries } from './series';

const seconds = (...n: number[]): number[] => n.map((s) => s * 1000);

describe('time series', () => {
  it('keeps gaps as gaps, never zeros', () => {
    const data = new TimeSeries();
    data.append(seconds(1, 2, 3), { a: [1, null, Number.NaN] });
    expect(data.column('a'), 'null and NaN both mean: no sample').toEqual([1, null, null]);
  });

  it('fills a series that appears later with gaps before it', () => {
    const data = new TimeSeries();
    data.append(seconds(1, 2), { a: [1, 2] });
    data.append(seconds(3), { b: [9] });
    expect(data.column('b')).toEqual([null, null, 9]);
    expect(data.column('a'), 'a has no sample at 3 s').toEqual([1, 2, null]);
  });

  it('completes a second that arrives in two frames', () => {
    const data = new TimeSeries();
    data.append(seconds(1), { a: [1] });
    data.append(seconds(1), { b: [2] });
    expect(data.t, 'one row for one second').toEqual(seconds(1));
    expect([data.column('a'), data.column('b')]).toEqual([[1], [2]]);
  });

  it('does not let an explicit gap erase a sample that is there', () => {
    const data = new TimeSeries();
    data.append(seconds(1), { a: [1] });
    data.append(seconds(1), { a: [null] });
    expect(data.column('a')).toEqual([1]);
  });

  it('reads raw history and keeps newer live samples', () => {
    const data = new TimeSeries();
    data.append(seconds(3, 4), { a: [30, 40] });
    data.replace({ names: ['t', 'a'], columns: [seconds(1, 2, 3), [1, 2, Number.NaN]], meta: { step_ms: 1000, raw: true } });
    expect(data.t).toEqual(seconds(1, 2, 3, 4));
    expect(data.column('a'), 'the live sample at 3 s completes the history').toEqual([1, 2, 30, 40]);
  });

  it('keeps minimum and maximum of each bucket as two points', () => {
    const data = new TimeSeries();
    data.replace({ names: ['t', 'a:min', 'a:max'], columns: [seconds(0, 10), [1, 2], [5, 6]], meta: { step_ms: 10_000 } });
    expect(data.column('a')).toEqual([1, 5, 2, 6]);
    expect(data.t, 'the second point lies in the middle of the bucket').toEqual(seconds(0, 5, 10, 15));
    expect(data.stepMs).toBe(10_000);
  });

  it('finds gaps between samples only, of all series of a lane together', () => {
    const data = new TimeSeries();
    data.append(seconds(0, 1, 2, 40, 41), { a: [1, 1, 1, 1, 1], b: [null, null, null, null, 2] });
    expect(data.gaps(['a'], 0, 60_000)).toEqual([{ from: 2000, to: 40_000 }]);
    expect(data.gaps(['b'], 0, 60_000), 'nothing before the first sample is a gap').toEqual([]);
    expect(data.gaps(['a'], 45_000, 60_000), 'gaps outside the range are not reported').toEqual([]);
  });

  it('gives the value of the nearest sample and none inside a gap', () => {
    const data = new TimeSeries();
    data.append(seconds(0, 1, 40), { a: [1, 2, 3] });
    expect(data.valueAt('a', 1200)).toBe(2);
    expect(data.valueAt('a', 20_000), 'no sample within reach').toBeNull();
    expect(data.valueAt('missing', 0)).toBeNull();
  });

  it('prunes old samples but not on every call', () => {
    const data = new TimeSeries();
    const t = Array.from({ length: 400 }, (_, i) => i * 1000);
    data.append(t, { a: t });
    data.prune(50_000);
    expect(data.t.length, 'a small excess stays').toBe(400);
    data.prune(300_000);
    expect(data.t[0]).toBe(300_000);
    expect(data.column('a')!.length).toBe(data.t.length);
  });
});

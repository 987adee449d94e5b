import { describe, expect, it } from 'vitest';
import { ChartGroup, CHANGED, type Schedule } from './group';
import { LiveData } from './live';
import type { RawColumns } from './series';

const direct: Schedule = { now: () => 0, frame: (run) => run(), later: (run) => run() };
const settle = async (): Promise<void> => {
  for (let i = 0; i < 8; i += 1) await Promise.resolve();
};
const made = (
  columns: (from: number, to: number) => RawColumns,
): { group: ChartGroup; live: LiveData; asked: [number, number, number][] } => {
  const group = new ChartGroup(60_000, 1_000_000, false, direct);
  group.width = 600;
  const asked: [number, number, number][] = [];
  const live = new LiveData(group, (from, to, width) => {
    asked.push([from, to, width]);
    return Promise.resolve(columns(from, to));
  });
  return { group, live, asked };
};
const raw = (from: number, to: number, step = 1000): RawColumns => {
  const t: number[] = [];
  for (let x = from; x <= to; x += step) t.push(x);
  return { names: ['t', 'a'], columns: [t, t.map(() => 1)], meta: { step_ms: step, raw: step === 1000 } };
};

describe('live data', () => {
  it('reads the shown range at the width of the plot and appends what the stream brings', async () => {
    const { group, live, asked } = made((from, to) => raw(from, to));
    live.load(true);
    await settle();
    expect(asked).toEqual([[940_000, 1_000_000, 600]]);
    live.push({ at_ms: 1_001_200, t: [1_001_000], series: { a: [2] } });
    expect(live.data.last('a')).toEqual({ t: 1_001_000, value: 2 });
    expect(group.range.to, 'the range follows').toBe(1_001_000);
    await settle();
    expect(asked.length, 'no history while the stream keeps the range complete').toBe(1);
  });

  it('fills the seconds between history and stream from the store', async () => {
    const { live, asked } = made((from, to) => raw(from, to));
    live.load(true);
    await settle();
    live.push({ at_ms: 1_005_200, t: [1_005_000], series: { a: [2] } });
    await settle();
    expect(asked.length).toBe(2);
  });

  it('reads again when the range or the width changes, and only the last of many', async () => {
    const { group, live, asked } = made((from, to) => raw(from, to));
    live.load(true);
    group.setSpan(300_000);
    group.setSpan(900_000);
    await settle();
    expect(asked.length, 'the one in between is skipped').toBe(2);
    expect(asked[1]![1] - asked[1]![0]).toBe(900_000);
    group.width = 700;
    group.mark(CHANGED.size);
    await settle();
    expect(asked[2]![2]).toBe(700);
  });

  it('keeps what it has when history fails and says why', async () => {
    const group = new ChartGroup(60_000, 1_000_000, false, direct);
    group.width = 600;
    const live = new LiveData(group, () => Promise.reject(new Error('gone')));
    live.push({ at_ms: 1_000_000, t: [1_000_000], series: { a: [1] } });
    live.load(true);
    await settle();
    expect(String(live.error)).toContain('gone');
    expect(live.data.last('a')?.value).toBe(1);
  });

  it('does nothing after it was closed', async () => {
    const { group, live, asked } = made((from, to) => raw(from, to));
    live.close();
    group.setSpan(300_000);
    await settle();
    expect(asked).toEqual([]);
  });
});

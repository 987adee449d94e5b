import { describe, expect, it } from 'vitest';
import { ChartGroup, CHANGED, type Schedule } from './group';
import type { LaneSpec } from './lane';
import * as paths from './paths';
import { rows, summary, table } from './readout';
import { TimeSeries } from './series';
import { extent, stack } from './stack';
import { gridTimes, pixelNote, stepFor, TickRow, ticks } from './ticks';

class Pen implements paths.Pen {
  moves: string[] = [];
  moveTo(x: number, y: number): void {
    this.moves.push(`M${x},${y}`);
  }
  lineTo(x: number, y: number): void {
    this.moves.push(`L${x},${y}`);
  }
  rect(x: number, y: number, w: number, h: number): void {
    this.moves.push(`R${x},${y},${w},${h}`);
  }
  closePath(): void {
    this.moves.push('Z');
  }
}
const frame: paths.Frame = { x: (t) => t / 1000, y: (v) => 100 - v, gapMs: 2500 };

describe('paths', () => {
  it('breaks the line at a gap and shows a lone sample', () => {
    const pen = new Pen();
    paths.line(pen, [0, 1000, 10_000, 20_000, 21_000], [1, 2, 5, 3, 4], frame);
    expect(pen.moves).toEqual(['M0,99', 'L1,98', 'M9,95', 'L11,95', 'M20,97', 'L21,96']);
  });
  it('never joins over a missing sample', () => {
    const data = new TimeSeries();
    expect(paths.runs([0, 1000, 2000], [1, null, 2], data.breakMs)).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(paths.runs([0, 1000, 2000], [1, 3, 2], data.breakMs)).toEqual([[0, 3]]);
  });
  it('goes on from the sample before the part that is drawn again, however far apart samples of a tenth of a second come', () => {
    const data = new TimeSeries(100);
    data.append([0, 700, 1400, 2100, 2900], { a: [1, 2, 3, 4, 5] });
    const row = paths.firstRow(data.t, 2500, Math.max(3 * data.stepMs, data.breakMs));
    expect(row).toBeLessThan(4);
    const pen = new Pen();
    paths.line(pen, data.t.slice(row), data.column('a')!.slice(row), { ...frame, gapMs: data.breakMs });
    expect(pen.moves.at(-1), 'the newest sample is joined').toBe('L2.9,95');
  });
  it('closes each area of its own', () => {
    const pen = new Pen();
    paths.area(pen, [0, 1000, 9000, 10_000], [1, 1, 2, 2], null, 100, frame);
    expect(pen.moves.filter((m) => m === 'Z').length).toBe(2);
  });
  it('goes on to the end of the last sample before a gap, where samples are of a time', () => {
    const pen = new Pen();
    const held: paths.Frame = { ...frame, holdMs: 1000 };
    paths.line(pen, [0, 1000, 10_000], [1, 2, 5], held);
    expect(pen.moves, 'a second of a run ends where the next one begins, as its column of the heatmap does').toEqual([
      'M0,99',
      'L1,98',
      'L2,98',
      'M10,95',
      'L11,95',
    ]);
    const filled = new Pen();
    paths.area(filled, [0, 1000], [1, 2], null, 100, held);
    expect(filled.moves).toEqual(['M0,99', 'L1,98', 'L2,98', 'L2,100', 'L0,100', 'Z']);
  });
  it('knows where nothing is drawn, for words', () => {
    const t = [0, 1000, 2000, 9000];
    const column = [50, 50, 90, 50];
    const line = paths.covering(t, [column], false, frame);
    const box = (x0: number, x1: number, y0: number, y1: number): paths.Box => ({ x0, x1, y0, y1 });
    expect(line(box(0, 1, 0, 20)), 'above the line').toBe(false);
    expect(line(box(0, 1, 80, 100)), 'below it').toBe(false);
    expect(line(box(0, 1, 45, 55)), 'on it').toBe(true);
    expect(line(box(1.2, 1.8, 20, 30)), 'between two points that are above and below').toBe(true);
    expect(paths.covering(t, [column], true, frame)(box(0, 1, 80, 100)), 'an area covers what is below its line').toBe(true);
    expect(paths.covering([0, 1000], [[null, null]], false, frame)(box(0, 1, 0, 100))).toBe(false);
  });
  it('draws bars on whole pixels, none for zero and at least one pixel high', () => {
    const pen = new Pen();
    paths.bars(pen, [0, 1000, 2000], [0, 0.01, 10], 100, 1, frame);
    expect(pen.moves).toEqual(['R1,99,1,1', 'R2,90,1,10']);
  });
});

describe('stack', () => {
  it('adds up from the bottom and stops at a missing part', () => {
    expect(
      stack([
        [1, 1, null],
        [2, null, 2],
      ]),
    ).toEqual([
      [1, 1, null],
      [3, null, null],
    ]);
  });
  it('knows the extent without the gaps', () => {
    expect(extent([[null, 3, -1]], 0, 3)).toEqual({ low: -1, high: 3 });
    expect(extent([[null]], 0, 1)).toEqual({ low: null, high: null });
  });
});

describe('stacks above one sample a pixel', () => {
  it('are of means: extremes of parts are of different seconds and do not add up', () => {
    const data = new TimeSeries();
    data.replace({
      names: ['t', 'user:min', 'user:max', 'user:mean', 'system:min', 'system:max', 'system:mean'],
      columns: [
        [0, 2000],
        [0.1, 0.1],
        [0.9, 0.9],
        [0.5, 0.5],
        [0.1, 0.1],
        [0.9, 0.9],
        [0.4, 0.4],
      ],
      meta: { step_ms: 2000 },
    });
    data.append([4000], { user: [0.3], system: [0.2] });
    const sums = stack(spec.series.map((s) => data.mean(s.id)!));
    expect(Math.max(...sums[1]!.map((v) => v ?? 0)), 'all of the time is not more than all').toBeLessThanOrEqual(1);
    expect(sums[1]!.slice(-1), 'with what came live').toEqual([0.5]);
    expect(rows(spec, data, 0, 4000, null, true).map((r) => r.at.replaceAll('\u202f', ' '))).toEqual(['40.0 %', '50.0 %']);
    expect(data.column('user'), 'lines keep every spike').toEqual([0.1, 0.9, 0.1, 0.9, 0.3]);
  });
});

describe('ticks', () => {
  const from = new Date(2026, 10, 23, 14, 19, 30).getTime();
  it('labels minutes on fifteen of them at 900 px', () => {
    const found = ticks(from, from + 900_000, 900);
    expect(found.filter((t) => t.label !== null).map((t) => t.label)).toContain('14:20');
    expect(gridTimes(from, from + 900_000, 900).length, 'one grid line a minute').toBe(15);
    expect(stepFor(900_000, 900)).toBe(60_000);
  });
  it('has seconds in short ranges and whole hours in long ones', () => {
    expect(ticks(from, from + 60_000, 900).find((t) => t.label)!.label).toMatch(/^\d\d:\d\d:\d\d$/);
    expect(
      ticks(from, from + 86_400_000, 900)
        .filter((t) => t.label)
        .every((t) => t.label!.endsWith(':00')),
    ).toBe(true);
  });
  it('says what a pixel is', () => {
    expect(pixelNote(900_000, 900)).toBe('1 px = 1 s');
    expect(pixelNote(86_400_000, 900)).toBe('1 px = 96 s');
    expect(pixelNote(60_000, 900)).toBe('15 px = 1 s');
  });
});

const spec: LaneSpec = {
  key: 'cpu',
  title: 'CPU',
  what: 'by mode',
  unit: 'ratio',
  kind: 'stack',
  height: 60,
  scale: { kind: 'zero', cap: 1 },
  series: [
    { id: 'user', label: 'user', colour: 'c1' },
    { id: 'system', label: 'system', colour: 'c3' },
  ],
};

describe('readout', () => {
  const data = new TimeSeries();
  data.append([0, 1000, 2000], { user: [0.1, 0.2, 0.3], system: [0.05, null, 0.06] });
  it('lists the top of the drawing first, with values at the cursor and now', () => {
    const found = rows(spec, data, 1000, 2000, null, true);
    expect(found.map((r) => r.label)).toEqual(['system', 'user']);
    expect(found[1]!.at).toContain('20.0');
    expect(found[1]!.now).toContain('30.0');
  });
  it('shows a dash for now when the target is down or the sample is old', () => {
    expect(rows(spec, data, null, 2000, { since: 2000, text: 'down' }, true)[0]!.now).toBe('–');
    expect(rows(spec, data, null, 60_000, null, true)[0]!.now).toBe('–');
    expect(rows(spec, data, null, 2000, null, true)[0]!.at, 'nothing at the cursor without one').toBe('');
  });
  it('is put in words and in a table', () => {
    expect(summary(spec, data, 0, 3000, null)).toContain('user: 10.0');
    expect(table(spec, data, 0, 3000, null)[0]!.values.length).toBe(2);
  });
});

describe('chart group', () => {
  const made = (): { group: ChartGroup; frames: (() => void)[]; clock: { now: number }; waits: number[] } => {
    const frames: (() => void)[] = [];
    const waits: number[] = [];
    const clock = { now: 1000 };
    const schedule: Schedule = {
      now: () => clock.now,
      frame: (run) => void frames.push(run),
      later: (run, ms) => {
        waits.push(ms);
        run();
      },
    };
    const group = new ChartGroup(900_000, 1_000_000, false, schedule);
    group.width = 900;
    return { group, frames, clock, waits };
  };
  it('makes one flush of many marks and none without', () => {
    const { group, frames } = made();
    const seen: number[] = [];
    group.on((what) => seen.push(what));
    group.mark(CHANGED.data);
    group.mark(CHANGED.cursor);
    expect(frames.length, 'one frame asked for').toBe(1);
    frames.pop()!();
    expect(seen).toEqual([CHANGED.data | CHANGED.cursor]);
    expect(frames.length, 'no loop').toBe(0);
  });
  it('holds data redraws to four a second', () => {
    const { group, frames, waits, clock } = made();
    group.advance(1_001_000);
    frames.pop()!();
    clock.now += 30;
    group.advance(1_001_100);
    expect(waits, 'waits for the rest of the quarter of a second').toEqual([220]);
  });
  it('follows while live, stands while paused, comes back', () => {
    const { group } = made();
    group.advance(1_005_000);
    expect(group.range.to).toBe(1_005_000);
    group.setLive(false);
    group.advance(1_010_000);
    expect(group.range.to, 'paused').toBe(1_005_000);
    group.shift(-1);
    expect(group.range.to).toBe(555_000);
    group.shift(1);
    group.shift(1);
    expect(group.live, 'past the newest data it is live again').toBe(true);
  });
  it('zooms for all lanes and resets in two steps', () => {
    const { group } = made();
    group.setCursor(999_000);
    group.zoom(500_000, 400_000);
    expect(group.range).toEqual({ from: 400_000, to: 500_000 });
    expect(group.key('Escape', false)).toBe(true);
    expect(group.live).toBe(true);
    expect(group.key('Escape', false)).toBe(true);
    expect(group.cursor).toBeNull();
    expect(group.key('Escape', false), 'nothing left to reset').toBe(false);
  });
  it('moves the cursor by keys inside the range', () => {
    const { group } = made();
    group.key('ArrowLeft', false);
    expect(group.cursor).toBe(999_000);
    group.key('ArrowLeft', true);
    expect(group.cursor).toBe(989_000);
    group.key('ArrowRight', true);
    group.key('ArrowRight', true);
    expect(group.cursor, 'not past the end').toBe(1_000_000);
  });
});

describe('tick row', () => {
  it('moves as one with the clock and stays on the pixels of the grid', () => {
    const group = new ChartGroup(900_000, 1_764_000_000_000, false, { now: () => 0, frame: () => undefined, later: () => undefined });
    group.width = 1043;
    const row = new TickRow();
    let made = 0;
    for (let second = 0; second < 300; second += 1) {
      group.advance(1_764_000_000_000 + second * 1000);
      const { from, to } = group.range;
      const before = row.marks;
      row.place(from, to, group.width);
      if (row.marks !== before) made += 1;
      const off = ticks(from, to, group.width).map((t, i) => Math.abs(row.marks[i]!.x + row.shift - group.xAt(t.t)));
      expect(row.marks.length).toBe(off.length);
      expect(Math.max(...off)).toBeLessThan(0.501);
    }
    // One tick a minute of the range comes, another one goes: not one change a second.
    expect(made).toBeLessThan(60);
    row.place(0, 60_000, 300);
    expect(row.marks.map((m) => m.x + row.shift)).toEqual(ticks(0, 60_000, 300).map((t) => Math.round(t.t / 200)));
  });
});

// Every run of a comparison on one time axis: in the order they ran, or side by side where they ran far apart.
import { Heat } from '../../../charts/heat';
import type { LaneSpec } from '../../../charts/lane';
import { TimeSeries } from '../../../charts/series';
import { format, type Unit } from '../../../kit/figures';
import type { Heatmap, Run } from '../types';
import { levels, type Arm, type Around, type Resource } from './around';

export interface Clock {
  /** Whether the runs are laid over each other, each from its own start. */
  aligned: boolean;
  from: number;
  to: number;
  /** Seconds of one point. */
  stepS: number;
  /** What is added to a time of a run, in milliseconds. */
  shift: (run: Run) => number;
}

/** Share of the time from the first start to the last end that the runs take at least, to be shown in the order they ran. */
const DENSE = 0.25;
/** Points of a lane at most. */
const POINTS = 1200;

export function clockOf(runs: readonly Run[]): Clock {
  const start = Math.min(...runs.map((r) => r.started_ms));
  const end = Math.max(...runs.map((r) => r.finished_ms));
  const each = runs.map((r) => Math.max(1000, r.finished_ms - r.started_ms));
  const aligned = runs.length > 1 && each.reduce((sum, ms) => sum + ms, 0) < DENSE * (end - start);
  // Midnight, so that the clock of the axis counts from 00:00:00.
  const from = aligned ? new Date(2000, 0, 1).getTime() : start;
  const to = aligned ? from + Math.max(...each) : Math.max(end, start + 1000);
  const stepS = Math.max(1, Math.ceil((to - from) / 1000 / POINTS));
  return { aligned, from, to, stepS, shift: (run) => (aligned ? from - run.started_ms : 0) };
}

/** The run's own seconds. */
export function ownAround(run: Run, arm: Arm): Around {
  const seconds = run.intervals.filter((i) => i.duration_s > 0.05);
  return {
    run,
    arm,
    t: seconds.map((i) => i.t_ms),
    of: new Map([
      ['bench.rate', seconds.map((i) => (i.requests - i.errors) / i.duration_s)],
      ['bench.p99', seconds.map((i) => i.p99)],
    ]),
  };
}

export const OWN: readonly Resource[] = [
  { key: 'rate', name: 'Throughput', what: 'succeeded/s', unit: 'per_second', parts: ['bench.rate'], scale: { kind: 'zero' } },
  { key: 'p99', name: 'p99', what: '1 s intervals', unit: 'ms', parts: ['bench.p99'], scale: { kind: 'zero' } },
];

const idOf = (resource: Resource, arm: Arm): string => `${resource.key}@${arm}`;

/** Both sides of the resources as series of one time axis; samples of one point are averaged. */
export function seriesOf(clock: Clock, runs: readonly Around[], resources: readonly Resource[]): TimeSeries {
  const step = clock.stepS * 1000;
  const points = new Map<number, Map<string, [sum: number, n: number]>>();
  for (const around of runs) {
    for (const resource of resources) {
      const id = idOf(resource, around.arm);
      levels(around, resource.parts).forEach((v, i) => {
        const t = clock.from + Math.floor((around.t[i]! + clock.shift(around.run) - clock.from) / step) * step;
        if (v === null || t < clock.from || t > clock.to) return;
        const point = points.get(t) ?? new Map<string, [number, number]>();
        const [sum, n] = point.get(id) ?? [0, 0];
        points.set(t, point.set(id, [sum + v, n + 1]));
      });
    }
  }
  const times = [...points.keys()].sort((a, b) => a - b);
  const data = new TimeSeries(step);
  data.covers = true;
  const columns: Record<string, (number | null)[]> = {};
  for (const resource of resources) {
    for (const arm of ['a', 'b'] as const) {
      const id = idOf(resource, arm);
      const column = times.map((t) => {
        const point = points.get(t)!.get(id);
        return point ? point[0] / point[1] : null;
      });
      if (column.some((v) => v !== null)) columns[id] = column;
    }
  }
  data.append(times, columns);
  return data;
}

/** A lane of one resource: A grey, B in the accent; the stretches of B are shaded where the runs follow each other. */
export function laneOf(resource: Resource, means: { a: number | null; b: number | null }, shaded: LaneSpec['shaded']): LaneSpec {
  const { key, name, what, unit, scale } = resource;
  return {
    key: `compare-${key}`,
    title: name,
    what,
    unit,
    kind: 'line',
    height: 36,
    series: [
      { id: idOf(resource, 'b'), label: 'B', colour: 'arm-b', stands: format(means.b, unit) },
      { id: idOf(resource, 'a'), label: 'A', colour: 'arm-a', stands: format(means.a, unit) },
    ],
    scale,
    ...(shaded ? { shaded } : {}),
  };
}

/** The stretches of one side's runs. */
export const stretches = (clock: Clock, runs: readonly Run[]): { from: number; to: number }[] =>
  clock.aligned ? [] : runs.map((r) => ({ from: r.started_ms, to: r.finished_ms }));

/** Response times of one side's runs on the clock. */
export function heatOf(clock: Clock, maps: readonly { run: Run; map: Heatmap }[]): Heat {
  const heat = new Heat(clock.from, clock.stepS * 1000);
  for (const { run, map } of maps) {
    map.columns.forEach((column, i) => {
      const at = map.started_ms + clock.shift(run) + i * map.column_s * 1000;
      heat.put(Math.max(0, Math.floor((at - clock.from) / heat.columnMs + 1e-6)), column);
    });
  }
  return heat;
}

/** Two heatmaps on the same rows and the same ramp, so that a colour means the same in both. */
export function alike(a: Heat, b: Heat): void {
  a.low = b.low = Math.min(a.low, b.low);
  a.high = b.high = Math.max(a.high, b.high);
  a.most = b.most = Math.max(a.most, b.most);
}

/** A figure of a metric in its own unit. */
export const unitOf = (unit: string): Unit => (unit === 'ms' ? 'ms' : 'per_second');

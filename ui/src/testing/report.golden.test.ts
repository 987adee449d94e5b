// A report draws the same lanes on the same axes as the window: `report/golden/lanes.json` and `axes.json` are made of what
// the window does, the report reads the first and its tests hold it against the second.
// After a change here: `PERFDECK_UPDATE_GOLDEN=1 npx vitest run src/testing/report.golden.test.ts`.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { curveEnd, curveScale, curveTicks, reliable } from '../charts/curve-scale';
import { bucketAt, heatLabels, level, quantile, rampTop, rowsFor } from '../charts/heat';
import { axisLabels, axisNote, domain, type ScaleSpec } from '../charts/scale';
import { benchLanes } from '../features/benchmarks/series';
import { axisLabel, type Unit } from '../kit/figures';
import { tiers } from '../lanes/tiers';

const GOLDEN = fileURLToPath(new URL('../../../src-tauri/crates/report/golden/', import.meta.url));

/** A line for each row, so that a change shows as one. */
const rows = (made: object): string =>
  Object.entries(made)
    .map(([name, list]) => `${JSON.stringify(name)}: [\n${(list as unknown[]).map((row) => JSON.stringify(row)).join(',\n')}\n]`)
    .join(',\n');

function holds(file: string, made: object): void {
  const path = GOLDEN + file;
  if (process.env['PERFDECK_UPDATE_GOLDEN']) writeFileSync(path, `{\n${rows(made)}\n}\n`);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(JSON.parse(JSON.stringify(made)));
}

/** Every lane that there can be: some stand for others where a target tells more or less. */
function lanes(): object {
  const used = 'system.cpu.utilization{cpu.mode=used}';
  const configured = new Set(['api', 'host', 'database', 'cache']);
  const parts = [(id: string) => id !== used, (id: string) => id === used, (id: string) => id.startsWith('api.probe')];
  const found = parts.map((has) => tiers(has, [], configured));
  return {
    bench: benchLanes({ load: { kind: 'closed' }, connections: 1 }, false, undefined, null),
    tiers: found[0]!.map((tier, t) => {
      const known = tier.lanes.map((lane) => JSON.stringify(lane));
      const others = found.slice(1).flatMap((other) => other[t]!.lanes.filter((lane) => !known.includes(JSON.stringify(lane))));
      const all = [...tier.lanes];
      for (const lane of others) {
        const same = all.findIndex((l) => l.key === lane.key);
        if (same >= 0 && JSON.stringify(all[same]) === JSON.stringify(lane)) continue;
        all.splice(same >= 0 ? same : all.length, 0, lane);
      }
      return { role: tier.role, name: tier.name, lanes: all };
    }),
  };
}

const SCALES: readonly [ScaleSpec, Unit][] = [
  [{ kind: 'zero' }, 'bytes'],
  [{ kind: 'zero', atLeast: 10 }, 'per_second'],
  [{ kind: 'zero', atLeast: 0.027, cap: 1 }, 'ratio'],
  [{ kind: 'zero', upTo: 1, cap: 1 }, 'ratio'],
  [{ kind: 'zero', atLeast: 4 }, 'count'],
  [{ kind: 'zero', atLeast: 0.001 }, 'seconds'],
  [{ kind: 'zero', atLeast: 1e6 }, 'bytes_per_second'],
  [{ kind: 'near', cap: 1 }, 'ratio'],
  [{ kind: 'near', upTo: 64_000_000, from: 0.5 }, 'bytes'],
  [{ kind: 'log' }, 'ms'],
  [{ kind: 'log' }, 'seconds'],
];
const ENDS: readonly (readonly [number, number] | null)[] = [
  null,
  [0, 0],
  [0, 0.0004],
  [0.91, 0.997],
  [0.3, 0.62],
  [1.2, 31],
  [0.4, 140],
  [12, 1_250],
  [9_000, 12_400],
  [61_000_000, 63_500_000],
  [1e9, 6.2e9],
];

function axes(): object {
  return {
    values: SCALES.flatMap(([scale, unit]) =>
      ENDS.flatMap((ends) =>
        [36, 88].map((height) => {
          const d = domain(scale, unit, ends?.[0] ?? null, ends?.[1] ?? null);
          return { scale, unit, ends, height, domain: d, labels: axisLabels(d, unit, height), note: axisNote(d, unit) };
        }),
      ),
    ),
    curves: [[], [0.4, 140], [1, 1.01], [3.2, 9.9], [0.02, 0.09], [900, 12_000]].flatMap((ms) =>
      [1, 90, 5_000, 72_300, 9_000_000].map((n) => {
        const end = curveEnd(n);
        return { ms, n, scale: curveScale(ms.map((v) => ({ q: 0, ms: v }))), end, ticks: curveTicks(end), reliable: reliable(n) };
      }),
    ),
    heat: [
      [3, 9],
      [39, 48],
      [20, 61],
      [-3, 90],
    ].flatMap(([low, high]) =>
      [128, 64].map((height) => {
        const rows = rowsFor(low!, high!, height);
        const labels = heatLabels(rows).map((v) => ({ value: v, at: bucketAt(v), text: axisLabel(v, 'ms', v, true) }));
        return { low, high, height, rows, labels };
      }),
    ),
    levels: [1, 2, 7, 100, 1_024, 60_000].map((most) => {
      const top = rampTop(most);
      return { most, top, levels: [0, 1, 2, 5, 99, most].map((count) => [count, level(count, top)]) };
    }),
    quantiles: [
      [[40, 10]],
      [
        [40, 90],
        [44, 9],
        [60, 1],
      ],
    ].map((column) => ({ column, p99: quantile(new Map(column as [number, number][]), 0.99) })),
  };
}

test('a report has the lanes of the window', () => holds('lanes.json', lanes()));
test('a report has the axes of the window', () => holds('axes.json', axes()));

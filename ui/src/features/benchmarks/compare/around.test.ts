import { describe, expect, it } from 'vitest';
import type { LaneSpec } from '../../../charts/lane';
import { run } from '../../../testing/values';
import { agreement, costs, levels, moved, resourcesOf, sides, signs, type Around, type Arm } from './around';

const lane = (of: Partial<LaneSpec>): LaneSpec => ({
  key: 'cpu',
  title: 'CPU',
  what: 'by mode',
  unit: 'ratio',
  kind: 'stack',
  height: 52,
  series: [
    { id: 'user', label: 'user', colour: 'c1' },
    { id: 'system', label: 'system', colour: 'c3' },
    { id: 'idle', label: 'idle', colour: 'c-other' },
  ],
  scale: { kind: 'zero' },
  ...of,
});
const tx = lane({
  key: 'transactions',
  title: 'Transactions',
  kind: 'fill',
  unit: 'per_second',
  series: [{ id: 'tx', label: 'tx', colour: 'ink' }],
});
const around = (arm: Arm, columns: Record<string, (number | null)[]>): Around => ({
  run: run({ requests: 1000, duration_s: 10, bytes_received: 500_000, client_cpu_s: 1 }),
  arm,
  t: Object.values(columns)[0]!.map((_, i) => i * 1000),
  of: new Map(Object.entries(columns)),
});

describe('what the targets did', () => {
  it('has a stack as the sum of what is not idle, and a lane of two lines as two', () => {
    const disk = lane({
      key: 'disk',
      title: 'Disk',
      kind: 'line',
      series: [
        { id: 'r', label: 'read', colour: 'c1' },
        { id: 'w', label: 'write', colour: 'c2' },
      ],
    });
    expect(resourcesOf([lane({}), disk]).map((r) => [r.key, r.name, r.parts])).toEqual([
      ['cpu', 'CPU', ['user', 'system']],
      ['disk-read', 'Disk read', ['r']],
      ['disk-write', 'Disk write', ['w']],
    ]);
    expect(levels(around('a', { user: [0.5, 0.4], system: [0.1, null] }), ['user', 'system']), 'a missing part is not a zero').toEqual([
      0.6,
      null,
    ]);
  });
  it('agrees in pairs or does not', () => {
    expect(signs(8, 8)).toBeCloseTo(2 / 256);
    expect(signs(5, 5), 'five pairs can tell nothing').toBeGreaterThan(0.05);
    const a = [10, 11, 12, 10, 11, 12, 10, 11];
    const lower = sides(
      a,
      a.map((v) => v - 3),
      true,
    );
    expect([lower.clear, agreement(lower)]).toEqual([true, 'lower in 8 of 8 pairs']);
    expect(lower.change).toBeCloseTo(-3 / 10.875);
    expect(
      sides(
        a,
        a.map((v, i) => v + (i % 2 ? 3 : -3)),
        true,
      ).clear,
    ).toBe(false);
    expect(sides([0, 0], [0, 0], false).change, 'nothing of nothing').toBe(0);
    expect(sides([0], [4], false).change, 'no share of zero').toBeNull();
    expect(sides([null], [4], false)).toMatchObject({ a: null, b: 4, change: null, clear: false });
  });
  it('names what moved first on top, and only what the pairs agree on', () => {
    const runs = Array.from({ length: 8 }, (_, i): Around[] => [
      around('a', { user: [0.5, 0.5, 0.5], system: [0.1, 0.1, 0.1], tx: [100, 100, 100 + i] }),
      around('b', { user: [0.5, 0.2, 0.2], system: [0.1, 0.1, 0.1], tx: [50, 50, 50] }),
    ]).flat();
    const found = moved(runs, resourcesOf([lane({}), tx]), true);
    expect(found.map((m) => [m.resource.key, m.after])).toEqual([
      ['transactions', 0],
      ['cpu', 1],
    ]);
    const noisy = runs.map((r, i): Around => ({ ...r, of: new Map(r.of).set('tx', [i % 4 < 2 ? 100 : 10, 50, i % 3]) }));
    expect(moved(noisy, resourcesOf([tx]), true), 'luck is not named').toEqual([]);
  });
  it('divides by the requests, and leaves what is not known unknown', () => {
    const runs = [around('a', { user: [0.5], system: [0.1], tx: [200] }), around('b', { user: [0.2], system: [0.1], tx: [100] })];
    const of = Object.fromEntries(costs(runs, resourcesOf([lane({}), tx]), 2, false).map((row) => [row.key, row]));
    // 60 % of two processors for a second, over 100 requests of it.
    expect(of['cpu']!.a).toBeCloseTo(0.012);
    expect([of['transactions']!.a, of['transactions']!.b, of['transactions']!.change]).toEqual([2, 1, -0.5]);
    expect(of['response']!.a, 'bytes of one answer').toBe(500);
    expect([of['operations']!.a, of['operations']!.b], 'no cache was watched').toEqual([null, null]);
    expect(of['disk-read'], 'nor is a row made of nothing').toBeUndefined();
    expect(costs(runs, resourcesOf([lane({})]), null, false)[0]!.a, 'how many processors is not known').toBeNull();
  });
});

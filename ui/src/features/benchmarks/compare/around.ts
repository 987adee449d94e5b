// What the targets did during the runs of both sides: levels, what moved, and what one request cost. Figures only; a verdict
// is the engine's.
import type { LaneSpec } from '../../../charts/lane';
import type { Unit } from '../../../kit/figures';
import type { Run } from '../types';

export type Arm = 'a' | 'b';

/** A run with the seconds of its targets. */
export interface Around {
  run: Run;
  arm: Arm;
  /** Times of the samples, in milliseconds. */
  t: readonly number[];
  of: ReadonlyMap<string, readonly (number | null)[]>;
}

/** Something of a target that has one level: a series, or several that add up. */
export interface Resource {
  key: string;
  name: string;
  /** What exactly, per what. */
  what: string;
  unit: Unit;
  parts: readonly string[];
  scale: LaneSpec['scale'];
}

/** Parts of a stack that are no load. */
const NO_LOAD: ReadonlySet<string> = new Set(['idle']);

/** The lanes' series as resources: a stack is one, the sum of what is not idle. */
export function resourcesOf(lanes: readonly LaneSpec[]): Resource[] {
  return lanes.flatMap((lane): Resource[] => {
    const of = (key: string, name: string, parts: readonly string[], what = lane.what): Resource => ({
      key,
      name,
      what,
      unit: lane.unit,
      parts,
      scale: lane.scale,
    });
    if (lane.kind === 'stack') {
      const busy = lane.series.filter((s) => !NO_LOAD.has(s.label));
      const name = busy.length === 1 && lane.series.length > 1 ? `${lane.title}, ${busy[0]!.label}` : lane.title;
      return [
        of(
          lane.key,
          name,
          busy.map((s) => s.id),
          busy.length > 1 ? busy.map((s) => s.label).join(' + ') : '',
        ),
      ];
    }
    const one = lane.series.length === 1;
    return lane.series.map((s) => of(one ? lane.key : `${lane.key}-${s.label}`, one ? lane.title : `${lane.title} ${s.label}`, [s.id]));
  });
}

/** A resource second by second; what lacks a part is unknown. */
export function levels(around: Around, parts: readonly string[]): (number | null)[] {
  const columns = parts.map((id) => around.of.get(id));
  return around.t.map((_, i) => {
    let sum = 0;
    for (const column of columns) {
      const v = column?.[i];
      if (v === null || v === undefined) return null;
      sum += v;
    }
    return sum;
  });
}

const mean = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((v) => v !== null);
  return known.length === 0 ? null : known.reduce((sum, v) => sum + v, 0) / known.length;
};

/** Chance that `k` of `n` coins or fewer, or as many on the other side, fall alike: the two-sided sign test. */
export function signs(k: number, n: number): number {
  const few = Math.min(k, n - k);
  let [term, sum] = [1, 1];
  for (let i = 1; i <= few; i += 1) {
    term *= (n - i + 1) / i;
    sum += term;
  }
  return Math.min(1, (2 * sum) / 2 ** n);
}
/** Below this chance the pairs are not alike by luck. */
const LUCK = 0.05;

/** The two sides of one figure. */
export interface Sides {
  a: number | null;
  b: number | null;
  /** Relative change of B against A; null from zero or where a side is unknown. */
  change: number | null;
  /** Pairs in which B is higher, and lower; equal ones are neither. */
  higher: number;
  lower: number;
  pairs: number;
  /** Whether the pairs agree on the direction more than luck would have it. */
  clear: boolean;
}

/** Both sides from a figure of each run; pairs are those of the order, where there are as many runs on either side. */
export function sides(a: readonly (number | null)[], b: readonly (number | null)[], paired: boolean): Sides {
  const [left, right] = [mean(a), mean(b)];
  const both: [number, number][] = [];
  if (paired && a.length === b.length) {
    a.forEach((x, i) => {
      const y = b[i] ?? null;
      if (x !== null && y !== null) both.push([x, y]);
    });
  }
  const higher = both.filter(([x, y]) => y > x).length;
  const lower = both.filter(([x, y]) => y < x).length;
  return {
    a: left,
    b: right,
    change: left === null || right === null || left === 0 ? (left === 0 && right === 0 ? 0 : null) : right / left - 1,
    higher,
    lower,
    pairs: both.length,
    clear: higher + lower > 0 && signs(Math.max(higher, lower), higher + lower) < LUCK,
  };
}

/** `lower in 8 of 8 pairs`; empty without pairs. */
export function agreement(of: Sides): string {
  if (of.pairs === 0) return '';
  if (of.higher === of.lower) return `neither in ${of.pairs} pairs`;
  return of.lower > of.higher ? `lower in ${of.lower} of ${of.pairs} pairs` : `higher in ${of.higher} of ${of.pairs} pairs`;
}

export interface MovedResource extends Sides {
  resource: Resource;
  /** Seconds after the start of the runs of B by which half of the way from A's level to B's was gone; null where unknown. */
  after: number | null;
}

/** Smallest relative changes that are named, as shares: of what the pairs agree on, and of two runs. */
const WORTH = { paired: 0.05, single: 0.1 };

/** How far into B's runs their mean second has gone half of the way from A's level. */
function halfway(runs: readonly Around[], resource: Resource, a: number, b: number): number | null {
  const each = runs.map((r) => levels(r, resource.parts));
  const length = Math.max(0, ...each.map((l) => l.length));
  const half = (a + b) / 2;
  for (let i = 0; i < length; i += 1) {
    const here = mean(each.map((l) => l[i] ?? null));
    if (here !== null && (b > a ? here >= half : here <= half)) return i;
  }
  return null;
}

/** What differs between the sides, what moved first on top. Where there are pairs, only what they agree on. */
export function moved(runs: readonly Around[], resources: readonly Resource[], paired: boolean): MovedResource[] {
  const [a, b] = [runs.filter((r) => r.arm === 'a'), runs.filter((r) => r.arm === 'b')];
  return resources
    .map((resource): MovedResource => {
      const of = (list: readonly Around[]): (number | null)[] => list.map((r) => mean(levels(r, resource.parts)));
      const both = sides(of(a), of(b), paired);
      const after = both.a === null || both.b === null ? null : halfway(b, resource, both.a, both.b);
      return { ...both, resource, after };
    })
    .filter(
      (m) =>
        m.a !== null && m.b !== null && (m.change === null ? m.a !== m.b : Math.abs(m.change) >= (paired ? WORTH.paired : WORTH.single)),
    )
    .filter((m) => !paired || m.clear)
    .sort((x, y) => (x.after ?? Infinity) - (y.after ?? Infinity) || Math.abs(y.change ?? Infinity) - Math.abs(x.change ?? Infinity));
}

export interface CostRow extends Sides {
  key: string;
  name: string;
  unit: Unit;
}

interface CostOf {
  key: string;
  name: string;
  unit: Unit;
  of: (around: Around) => number | null;
  /** Shown even where it is unknown, with a dash. */
  always?: boolean;
}

/** What a target did in a second, over the requests of that second. */
const perRequest =
  (resource: Resource | undefined, factor = 1): CostOf['of'] =>
  (around) => {
    const { requests, duration_s } = around.run;
    const level = resource ? mean(levels(around, resource.parts)) : null;
    return level === null || requests === 0 || duration_s <= 0 ? null : (level * factor * duration_s) / requests;
  };
const own =
  (value: (run: Run) => number | null): CostOf['of'] =>
  ({ run }) => {
    const all = value(run);
    return all === null || run.requests === 0 ? null : all / run.requests;
  };

/** The cost of one request on either side. `cpus` is of the host, where it is known. */
export function costs(runs: readonly Around[], resources: readonly Resource[], cpus: number | null, paired: boolean): CostRow[] {
  const named = (key: string): Resource | undefined => resources.find((r) => r.key === key);
  const list: CostOf[] = [
    { key: 'cpu', name: 'Host CPU', unit: 'seconds', of: cpus === null ? () => null : perRequest(named('cpu'), cpus), always: true },
    { key: 'transactions', name: 'Transactions', unit: 'count', of: perRequest(named('transactions')), always: true },
    { key: 'operations', name: 'Cache commands', unit: 'count', of: perRequest(named('operations')), always: true },
    { key: 'response', name: 'Response', unit: 'bytes', of: own((run) => run.bytes_received), always: true },
    { key: 'disk-read', name: 'Disk read', unit: 'bytes', of: perRequest(named('disk-read')) },
    { key: 'disk-write', name: 'Disk written', unit: 'bytes', of: perRequest(named('disk-write')) },
    { key: 'network-out', name: 'Network sent', unit: 'bytes', of: perRequest(named('network-out')) },
    { key: 'generator', name: 'Generator CPU', unit: 'seconds', of: own((run) => run.client_cpu_s) },
  ];
  const [a, b] = [runs.filter((r) => r.arm === 'a'), runs.filter((r) => r.arm === 'b')];
  return list
    .map(({ key, name, unit, of, always }) => ({ key, name, unit, always, ...sides(a.map(of), b.map(of), paired) }))
    .filter((row) => row.always || row.a !== null || row.b !== null)
    .map(({ always: _, ...row }) => row);
}

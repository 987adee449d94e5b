// What moved first during a run, in words, and the lane that shows it.
import { DASH, format, MINUS, percent, significant, THIN, type Unit } from '../../../kit/figures';
import type { LaneSpec } from '../../../charts/lane';
import type { Moved } from '../types';

export interface MovedRow {
  key: string;
  /** `+2.1 s`. */
  after: string;
  name: string;
  /** `1 → 9`. */
  levels: string;
  /** `+800 %`; a dash from zero. */
  change: string;
  up: boolean;
  atMs: number;
  /** The lane that shows it, if one does. */
  lane: string | null;
  exact: string;
}

/** The run's own series: their names, units and lanes. */
const OWN: Record<string, { name: string; unit: Unit; lane: string }> = {
  'run:rate': { name: 'Throughput', unit: 'per_second', lane: 'bench-rate' },
  'run:p50': { name: 'p50', unit: 'ms', lane: 'bench-latency' },
  'run:p99': { name: 'p99', unit: 'ms', lane: 'bench-latency' },
  'run:errors': { name: 'Errors', unit: 'count', lane: 'bench-errors' },
};

/** `+12 %`, `−99.7 %`; from 1000 % on as a factor. */
export function changeText(change: number | null): string {
  if (change === null) return DASH;
  if (change >= 9.995) return `×${significant(change + 1, 2)}`;
  return percent(change);
}

/** `11.8 → 28.3 ms`: the unit once where both have the same. */
export function levelsText(before: number, after: number, unit: Unit): string {
  const [from, to] = [format(before, unit), format(after, unit)];
  const unitOf = (text: string): string => /(?:\u202f[^\d\u202f]+|\/s)$/.exec(text)?.[0] ?? '';
  const own = unitOf(from);
  return `${own !== '' && own === unitOf(to) ? from.slice(0, -own.length) : from} → ${to}`;
}

/** Why nothing is listed, in agreement with what the run rests on: a drift has no moment at which a level changed. */
export const movedNone = (steady: boolean | null): string =>
  steady === false
    ? 'Nothing stepped to another level at one moment; rate or latency drifted or swung over the run.'
    : 'Nothing changed its level during this run.';

/** The first of what moved, and further ones that stand apart, for flags on a time axis. */
export function flagged(rows: readonly MovedRow[], apartMs: number): MovedRow[] {
  const found: MovedRow[] = [];
  for (const row of rows) if (found.every((f) => Math.abs(f.atMs - row.atMs) >= apartMs)) found.push(row);
  return found;
}

/** Words for a series that no lane shows: `database.locks.waiting{mode=row}` is `database locks waiting, row`. */
export function seriesWords(id: string): string {
  const [metric = id, inner = ''] = id.replace(/}$/, '').split('{');
  const values = inner
    .split(',')
    .map((pair) => pair.split('=')[1])
    .filter(Boolean);
  return [metric.replaceAll(/[._]/g, ' '), ...values].join(', ');
}

export function movedRow(m: Moved, lanes: readonly LaneSpec[]): MovedRow {
  const own = OWN[m.series];
  const lane = own ? undefined : lanes.find((l) => l.series.some((s) => s.id === m.series));
  const series = lane?.series.find((s) => s.id === m.series);
  const unit = own?.unit ?? lane?.unit ?? 'count';
  const name =
    own?.name ?? (lane && series ? (lane.series.length > 1 ? `${lane.title} ${series.label}` : lane.title) : seriesWords(m.series));
  return {
    key: m.series,
    after: `${m.after_s < 0 ? MINUS : '+'}${Math.abs(m.after_s).toFixed(1)}${THIN}s`,
    name,
    levels: levelsText(m.before, m.after, unit),
    change: changeText(m.change),
    up: m.after > m.before,
    atMs: m.at_ms,
    lane: own?.lane ?? lane?.key ?? null,
    exact: `${m.series}, p ${m.p < 0.001 ? 'below 0.001' : m.p.toFixed(3)}`,
  };
}

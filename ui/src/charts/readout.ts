// The legend is the readout: a row for each series, top of the drawing first.
import { DASH, exact, format } from '../kit/figures';
import type { LaneSpec, Stale } from './lane';
import { position, type Domain } from './scale';
import type { TimeSeries } from './series';
import { stack } from './stack';
import { clock } from './ticks';

export interface ReadoutRow {
  id: string;
  label: string;
  colour: string;
  /** Value at the cursor, empty without one. */
  at: string;
  atExact: string;
  now: string;
  nowExact: string;
}

/** Rows of a lane for a cursor time; `now` is an en dash when the last sample is old, its target is down or nothing is heard. */
export function rows(
  spec: LaneSpec,
  data: TimeSeries,
  cursor: number | null,
  now: number,
  stale: Stale | null,
  heard: boolean,
): ReadoutRow[] {
  const rows: ReadoutRow[] = [];
  for (let i = spec.series.length - 1; i >= 0; i -= 1) {
    const series = spec.series[i]!;
    const last = data.last(series.id);
    const fresh = heard && last !== null && stale === null && now - last.t <= Math.max(data.gapMs * 2, 5000);
    const at = cursor === null ? null : data.valueAt(series.id, cursor, spec.kind === 'stack');
    rows.push({
      id: series.id,
      label: series.label,
      colour: series.colour,
      at: cursor === null ? '' : format(at, spec.unit),
      atExact: cursor === null ? '' : exact(at, spec.unit),
      now: series.stands ?? (fresh ? format(last.value, spec.unit) : DASH),
      nowExact: series.stands ?? (fresh ? exact(last.value, spec.unit) : 'no current sample'),
    });
  }
  return rows;
}

export interface Dot {
  colour: string;
  /** Share of the plot's height, 0 at the bottom. */
  share: number;
}

/** Where the cursor meets the drawn lines. Bars have none. */
export function dots(spec: LaneSpec, data: TimeSeries, cursor: number | null, domain: Domain): Dot[] {
  if (cursor === null || spec.kind === 'bars') return [];
  const stacked = spec.kind === 'stack';
  const values = spec.series.map((s) => [data.valueAt(s.id, cursor, stacked)]);
  const drawn = stacked ? stack(values) : values;
  const found: Dot[] = [];
  drawn.forEach((column, i) => {
    const v = column[0];
    if (v !== null && v !== undefined) found.push({ colour: spec.series[i]!.colour, share: position(domain, v) });
  });
  return found;
}

/** The lane in words, for who cannot see the canvas. */
export function summary(spec: LaneSpec, data: TimeSeries, from: number, to: number, stale: Stale | null): string {
  if (spec.empty) return `${spec.title}: ${spec.empty}.`;
  const parts = spec.series.map((s) => {
    const column = data.column(s.id) ?? [];
    let low = Infinity;
    let high = -Infinity;
    for (let i = Math.max(0, data.indexAt(from)); i < column.length && data.t[i]! <= to; i += 1) {
      const v = column[i];
      if (v === null || v === undefined || data.t[i]! < from) continue;
      low = Math.min(low, v);
      high = Math.max(high, v);
    }
    if (low > high) return `${s.label}: no samples`;
    const last = data.last(s.id);
    return `${s.label}: ${format(low, spec.unit)} to ${format(high, spec.unit)}, last ${format(last?.value, spec.unit)}`;
  });
  const gaps = data.gaps(
    spec.series.map((s) => s.id),
    from,
    to,
  ).length;
  const tail = (gaps > 0 ? `; ${gaps} ${gaps === 1 ? 'gap' : 'gaps'}` : '') + (stale ? `; ${stale.text}` : '');
  return `${spec.title}, ${spec.what}, ${clock(from)} to ${clock(to)}. ${parts.join('; ')}${tail}.`;
}

export interface TableRow {
  time: string;
  values: string[];
}

/** Up to `most` rows of a lane around the cursor, or the newest ones, newest first. */
export function table(spec: LaneSpec, data: TimeSeries, from: number, to: number, cursor: number | null, most = 60): TableRow[] {
  const end = Math.min(
    data.t.length - 1,
    cursor === null ? data.indexAt(to) : data.indexAt(Math.min(to, cursor + (most / 2) * data.stepMs)),
  );
  const found: TableRow[] = [];
  for (let i = end; i >= 0 && found.length < most && data.t[i]! >= from; i -= 1) {
    found.push({
      time: clock(data.t[i]!),
      values: spec.series.map((s) => format((spec.kind === 'stack' ? data.mean(s.id) : data.column(s.id))?.[i], spec.unit)),
    });
  }
  return found;
}

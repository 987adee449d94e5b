// The history of one work: its three rows over the runs in order, the levels between changes, and their words.
import { TOO_SMALL, format, percent, plural, type Unit } from '../../../kit/figures';
import type { HistoryChange, HistoryPoint, RunHistory } from '../types';

export const ROWS = ['rate', 'p50', 'p99'] as const;
export type RowName = (typeof ROWS)[number];
export const UNITS: Record<RowName, Unit> = { rate: 'per_second', p50: 'ms', p99: 'ms' };
export const TITLES: Record<RowName, string> = { rate: 'Throughput', p50: 'Response p50', p99: 'Response p99' };

/** A figure of a run; null where it is not known. */
export const valueOf = (p: HistoryPoint, row: RowName): number | null =>
  row === 'rate' ? p.rate_per_s : row === 'p50' ? p.p50_ms : p.p99_ms;

/** Whether a change is for the worse: less throughput, more time. */
export const isWorse = (c: Pick<HistoryChange, 'metric' | 'change'>): boolean => (c.metric === 'rate' ? c.change < 0 : c.change > 0);

export interface Level {
  /** First and last index of the runs at this level. */
  from: number;
  to: number;
  value: number;
  /** The change that began it. */
  change: HistoryChange | null;
}

/** The levels of a row, from change to change; none without any change. */
export function levels(history: RunHistory, row: RowName): Level[] {
  const at = new Map(history.runs.map((r, i) => [r.run_id, i]));
  const changes = history.changes.filter((c) => c.metric === row && at.has(c.run_id)).sort((a, b) => at.get(a.run_id)! - at.get(b.run_id)!);
  if (changes.length === 0) return [];
  const found: Level[] = [{ from: 0, to: at.get(changes[0]!.run_id)! - 1, value: changes[0]!.before, change: null }];
  changes.forEach((change, i) => {
    const next = changes[i + 1];
    found.push({
      from: at.get(change.run_id)!,
      to: next ? at.get(next.run_id)! - 1 : history.runs.length - 1,
      value: change.after,
      change,
    });
  });
  return found.filter((l) => l.to >= l.from);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (n: number): string => String(n).padStart(2, '0');

/** `12 Nov 14:03`; with the year where it is not this one. */
export function since(ms: number, nowMs: number): string {
  const d = new Date(ms);
  const year = d.getFullYear() === new Date(nowMs).getFullYear() ? '' : ` ${d.getFullYear()}`;
  return `${d.getDate()} ${MONTHS[d.getMonth()]}${year} ${two(d.getHours())}:${two(d.getMinutes())}`;
}

/** `12 Nov`. */
export const day = (ms: number): string => `${new Date(ms).getDate()} ${MONTHS[new Date(ms).getMonth()]}`;

/** `p99 +34 % since 12 Nov 14:03`. */
export function changeWords(c: HistoryChange, history: RunHistory, nowMs: number): string {
  const run = history.runs.find((r) => r.run_id === c.run_id);
  return `${c.metric} ${percent(c.change)} since ${run ? since(run.started_ms, nowMs) : 'a run that is gone'}`;
}

/** The history in a sentence: the newest change that is for the worse, else the newest, else that there is none. */
export function historySentence(history: RunHistory, nowMs: number): { word: string | null; text: string } {
  const valid = history.runs.filter((r) => r.valid).length;
  const order = new Map(history.runs.map((r, i) => [r.run_id, i]));
  const newest = [...history.changes].sort((a, b) => (order.get(b.run_id) ?? 0) - (order.get(a.run_id) ?? 0));
  const found = newest.find(isWorse) ?? newest[0];
  const runs = plural(valid, 'valid run');
  if (!found) return { word: null, text: valid < 6 ? `${runs}, too few to tell a change from noise` : `No change of level in ${runs}` };
  return { word: isWorse(found) ? 'Slower' : 'Faster', text: `${changeWords(found, history, nowMs)}, ${runs}` };
}

/** Ends of a row's axis: from 0 unless all values are far from it. */
export function ends(values: readonly number[]): { min: number; max: number } {
  if (values.length === 0) return { min: 0, max: 1 };
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(high - low, high * 0.02) * 0.15;
  return low > 0.6 * high ? { min: Math.max(0, low - room), max: high + room } : { min: 0, max: high * 1.08 || 1 };
}

/** The runs as CSV. */
export const historyCsv = (history: RunHistory): string =>
  [
    'run,name,started,rate_per_s,p50_ms,p99_ms,valid',
    ...history.runs.map((r) =>
      [
        r.run_id,
        `"${r.name.replaceAll('"', '""')}"`,
        new Date(r.started_ms).toISOString(),
        r.rate_per_s,
        r.p50_ms ?? '',
        r.p99_ms ?? '',
        r.valid,
      ].join(','),
    ),
    '',
  ].join('\n');

export const figure = (value: number | null, row: RowName): string => format(value, UNITS[row]);

/** The figure of a run; words where it has too few requests for it. */
export const figureOf = (p: HistoryPoint, row: RowName): string => (p.too_small.includes(row) ? TOO_SMALL : figure(valueOf(p, row), row));

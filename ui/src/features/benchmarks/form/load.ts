// How requests, statements or commands are started: text fields to numbers, with what is wrong beside its field.
import { integer } from '../../../kit/figures';
import type { Load, Pace } from '../types';

export interface LoadForm {
  kind: 'closed' | 'rate';
  connections: string;
  rate: string;
  duration: string;
  warmup: string;
  timeout: string;
  /** Random starts at the rate. */
  poisson: boolean;
  /** Starts that are later than this are left out; empty for none. */
  late: string;
  /** One a line. */
  thresholds: string;
}

export type LoadErrors = Partial<Record<keyof LoadForm, string>>;

/** Connections that `perfctl` opens for requests, and for statements and commands. */
export const USUAL = { http: '32', data: '8' } as const;

export const blankLoad = (connections: string = USUAL.http): LoadForm => ({
  kind: 'closed',
  connections,
  rate: '100',
  duration: '10',
  warmup: '1',
  timeout: '10',
  poisson: false,
  late: '',
  thresholds: '',
});

/** `10`, `10s`, `1.5 min`, `2m`, `1h` in seconds; NaN when it is none of these. */
export function parseSeconds(text: string): number {
  const m = /^\s*(\d+(?:[.,]\d+)?)\s*(ms|s|sec|m|min|h)?\s*$/i.exec(text);
  if (!m) return Number.NaN;
  const factor = { ms: 0.001, s: 1, sec: 1, m: 60, min: 60, h: 3600 }[(m[2] ?? 's').toLowerCase()] ?? 1;
  return Number(m[1]!.replace(',', '.')) * factor;
}

export const within = (value: number, low: number, high: number): boolean => value >= low && value <= high;
/** A whole number of a field; NaN when it is none. */
export const whole = (text: string): number =>
  /^\s*-?\d+\s*$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : Number.NaN;
export const decimal = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text.replace(',', '.')));

export interface ParsedLoad {
  load: Load;
  connections: number;
  duration_s: number;
  warmup_s: number;
  timeout_s: number;
}

/** The load; what is wrong is put into `errors`. */
export function parseLoad(form: LoadForm, errors: LoadErrors): ParsedLoad {
  const connections = whole(form.connections);
  if (!within(connections, 1, 10_000)) errors.connections = `A whole number from 1 to ${integer(10_000)}`;
  const rate = decimal(form.rate);
  if (form.kind === 'rate' && !within(rate, 0.1, 1_000_000)) errors.rate = `Starts per second, from 0.1 to ${integer(1_000_000)}`;
  const duration_s = parseSeconds(form.duration);
  if (!within(duration_s, 1, 86_400)) errors.duration = 'From 1 s to 24 h, such as 30 or 2 min';
  const warmup_s = parseSeconds(form.warmup);
  if (!within(warmup_s, 0, 3600)) errors.warmup = 'From 0 to 1 h';
  const timeout_s = parseSeconds(form.timeout);
  if (!within(timeout_s, 0.01, 600)) errors.timeout = 'From 10 ms to 10 min';
  const load: Load = form.kind === 'closed' ? { kind: 'closed' } : { kind: 'rate', rate_per_s: rate };
  return { load, connections, duration_s, warmup_s, timeout_s };
}

/** The pace of statements or commands; `kept` has what the form does not show. */
export function parsePace(form: LoadForm, kept: Pick<Pace, 'seed' | 'threads'>, errors: LoadErrors): Pace {
  const { load, ...rest } = parseLoad(form, errors);
  const open = load.kind === 'rate';
  const late = open && form.late.trim() !== '' ? parseSeconds(form.late) : null;
  if (late !== null && !within(late, 0.001, 600)) errors.late = 'From 1 ms to 10 min, or empty';
  return {
    ...rest,
    rate_per_s: load.kind === 'rate' ? load.rate_per_s : null,
    poisson: open && form.poisson,
    late_limit_s: late,
    threads: kept.threads,
    seed: kept.seed,
    thresholds: linesOf(form.thresholds),
  };
}

/** The lines of a text that have something in them. */
export const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

export const fromPace = (pace: Pace): LoadForm => ({
  kind: pace.rate_per_s === null ? 'closed' : 'rate',
  connections: String(pace.connections),
  rate: String(pace.rate_per_s ?? 100),
  duration: String(pace.duration_s),
  warmup: String(pace.warmup_s),
  timeout: String(pace.timeout_s),
  poisson: pace.poisson,
  late: pace.late_limit_s === null ? '' : String(pace.late_limit_s),
  thresholds: pace.thresholds.join('\n'),
});

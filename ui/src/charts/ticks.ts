// Time axis: where the ticks are, what they say, and the clock's wording.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400].map((s) => s * SECOND);

/** Room a label needs, in pixels. */
const LABEL_PX = 52;

export interface Tick {
  t: number;
  label: string | null;
}

const two = (n: number): string => String(n).padStart(2, '0');

/** Local time of day, with seconds unless `minutes` only. */
export function clock(ms: number, withSeconds = true): string {
  const d = new Date(ms);
  const head = `${two(d.getHours())}:${two(d.getMinutes())}`;
  return withSeconds ? `${head}:${two(d.getSeconds())}` : head;
}

export { dayTime } from '../kit/format';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
/** The day of the week and of the month, such as `Sat 14`. */
export function dayName(ms: number): string {
  const d = new Date(ms);
  return `${DAYS[d.getDay()]} ${d.getDate()}`;
}

/** The labelled step for a span drawn on `width` pixels. */
export function stepFor(spanMs: number, width: number, labelPx = LABEL_PX): number {
  const most = Math.max(1, width / labelPx);
  return STEPS.find((s) => spanMs / s <= most) ?? STEPS[STEPS.length - 1]!;
}

/** Small ticks between two labelled ones. */
export function minorStep(step: number): number {
  if (step >= MINUTE) return step === MINUTE ? 10 * SECOND : step <= 5 * MINUTE ? MINUTE : step / 6;
  return step >= 10 * SECOND ? step / 5 : step;
}

/** Offset of local time at `ms`, so that hours and days are aligned to the local clock. */
const offset = (ms: number): number => -new Date(ms).getTimezoneOffset() * MINUTE;

/** Ticks in `[from, to]`, ascending; labelled ones carry the time of day. */
export function ticks(from: number, to: number, width: number): Tick[] {
  if (!(to > from) || width <= 0) return [];
  const step = stepFor(to - from, width);
  const minor = minorStep(step);
  const shift = offset(from);
  const found: Tick[] = [];
  const first = Math.ceil((from + shift) / minor) * minor;
  for (let local = first; local - shift <= to && found.length < 2000; local += minor) {
    const t = local - shift;
    // On an axis of days midnight is the day.
    const label = step >= 6 * HOUR && local % (24 * HOUR) === 0 ? dayName(t) : clock(t, step < MINUTE);
    found.push({ t, label: local % step === 0 ? label : null });
  }
  return found;
}

/** The ticks of a ruler that follows the clock: they move as one, so that a second costs one change and not one a tick. */
export class TickRow {
  /** Ticks with their distance from the first one, in whole pixels. The same array while they only move. */
  marks: { x: number; tick: Tick }[] = [];
  /** Pixels from the left edge to the first tick. */
  shift = 0;
  #made = { first: NaN, count: 0, pixel: NaN, phase: NaN };

  /** Puts the ticks of `[from, to]` on `width` pixels; makes them again when one comes or goes, or falls on another pixel. */
  place(from: number, to: number, width: number): void {
    const found = ticks(from, to, width);
    const pixel = (to - from) / Math.max(1, width);
    const xAt = (t: number): number => Math.round((t - from) / pixel);
    const first = found[0]?.t ?? from;
    const phase = (from / pixel) % 1;
    const made = this.#made;
    const same = first === made.first && found.length === made.count && pixel === made.pixel && Math.abs(phase - made.phase) < 0.01;
    this.shift = xAt(first);
    if (same) return;
    this.#made = { first, count: found.length, pixel, phase };
    this.marks = found.map((tick) => ({ x: xAt(tick.t) - this.shift, tick }));
  }
}

/** Times of the vertical grid lines: one for each label. */
export function gridTimes(from: number, to: number, width: number): number[] {
  return ticks(from, to, width)
    .filter((tick) => tick.label !== null)
    .map((tick) => tick.t);
}

/** What one pixel stands for, such as `1 px = 1 s`. */
export function pixelNote(spanMs: number, width: number): string {
  if (width <= 0) return '';
  const s = spanMs / 1000 / width;
  if (s >= 119.5) return `1 px = ${Math.round(s / 60)} min`;
  if (s >= 0.995) return `1 px = ${s < 10 ? Number(s.toPrecision(2)) : Math.round(s)} s`;
  const px = 1 / s;
  return `${px < 10 ? Number(px.toPrecision(2)) : Math.round(px)} px = 1 s`;
}

export const RANGES: readonly { key: string; label: string; ms: number }[] = [
  { key: '1m', label: '1 min', ms: MINUTE },
  { key: '5m', label: '5 min', ms: 5 * MINUTE },
  { key: '15m', label: '15 min', ms: 15 * MINUTE },
  { key: '1h', label: '1 h', ms: HOUR },
  { key: '6h', label: '6 h', ms: 6 * HOUR },
  { key: '24h', label: '24 h', ms: 24 * HOUR },
];

/** A flag in the ruler: where it stands, what it says and how wide that may be, in pixels. */
export interface Flag {
  x: number;
  label: string;
  room: number;
}

/** Flags from left to right, each with the room up to the next; one without room for a word keeps its line only. */
export function placed(flags: readonly { x: number; label: string }[], width: number): Flag[] {
  const sorted = [...flags].sort((a, b) => a.x - b.x);
  return sorted.map(({ x, label }, i) => {
    const room = (sorted[i + 1]?.x ?? width) - x - 4;
    return { x, label: room < 32 ? '' : label, room: Math.max(1, room) };
  });
}

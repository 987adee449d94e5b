// Figures and times as people read them. The figures are the charts' own, so that a lane and a table agree.
import { duration, integer, significant, MINUS, THIN } from './figures';

export { bytes, duration, format, integer, seconds, setting, significant, DASH, MINUS, THIN } from './figures';

/** A fraction as percent: whole from 10 %, else one digit. */
export function percent(fraction: number): string {
  const value = fraction * 100;
  const text = Math.abs(value) >= 9.95 || value === 0 ? integer(value) : Math.abs(value).toFixed(1);
  return (value < 0 && !text.startsWith(MINUS) ? MINUS + text : text) + THIN + '%';
}

/** A share done, in whole percent; 100 only when it is. */
export const share = (fraction: number): string => `${Math.floor(Math.min(1, Math.max(0, fraction)) * 100 + 1e-9)}${THIN}%`;

/** One digit after the point, as in the status line. */
export const percent1 = (fraction: number): string => `${(fraction * 100).toFixed(1)}${THIN}%`;

/** Bytes in whole SI megabytes, or gigabytes with three digits: what a system monitor shows. */
export function megabytes(bytes: number): string {
  return bytes < 1e9 ? `${integer(bytes / 1e6)}${THIN}MB` : `${significant(bytes / 1e9)}${THIN}GB`;
}

/**
 * A round trip: two digits below 10 ms, whole above, seconds from one. The engine tells a target again when this text changes
 * (`TargetStatus::shows_as`), so no other rounding is shown of it.
 */
export function roundTrip(ms: number): string {
  if (ms >= 1000) return `${significant(ms / 1000)}${THIN}s`;
  if (ms >= 9.95) return `${integer(ms)}${THIN}ms`;
  return ms >= 0.095 ? `${ms.toFixed(1)}${THIN}ms` : `${significant(ms * 1000, 2)}${THIN}µs`;
}

const two = (n: number): string => String(n).padStart(2, '0');

/** Time of day in this machine's zone. By hand: a formatter of the system takes a third of a millisecond, and rows have many. */
export function clock(ms: number): string {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** Hours and minutes. */
export const clockMinute = (ms: number): string => clock(ms).slice(0, 5);

/** Day and time, such as `2026-11-23 14:27`. */
export function dayTime(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clockMinute(ms)}`;
}

/** `UTC`, `UTC+1`, `UTC−3:30` for what `Date.getTimezoneOffset` says. */
export function utcOffset(minutesWest: number): string {
  if (minutesWest === 0) return 'UTC';
  const minutes = Math.abs(minutesWest);
  const rest = minutes % 60;
  const hours = `${Math.floor(minutes / 60)}${rest === 0 ? '' : `:${String(rest).padStart(2, '0')}`}`;
  return `UTC${minutesWest < 0 ? '+' : MINUS}${hours}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAY_MS = 86_400_000;

/** Seconds from a moment to another; never less than none, whatever two clocks say. */
export const ageS = (fromMs: number, toMs: number): number => Math.max(0, toMs - fromMs) / 1000;

/** A moment to the second, with its zone: `2026-11-29 14:03:22 UTC`. */
export function exactTime(ms: number): string {
  const d = new Date(ms);
  const day = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  return `${day} ${clock(ms)} ${utcOffset(d.getTimezoneOffset())}`;
}

/** The day and the minute, or the year where it is another one: `12 Nov 14:03`, `2 Jan 2025`. */
export function onDay(ms: number, nowMs: number): string {
  const d = new Date(ms);
  const day = `${d.getDate()} ${MONTHS[d.getMonth()]}`;
  return d.getFullYear() === new Date(nowMs).getFullYear() ? `${day} ${clockMinute(ms)}` : `${day} ${d.getFullYear()}`;
}

/** How long ago, while that says more than the date does: `12 s ago`, `3 h ago`, `12 Nov 14:03`, `2 Jan 2025`. */
export function ago(ms: number, nowMs: number): string {
  const since = nowMs - ms;
  // Clocks of two machines are never quite the same.
  if (since < 1000) return since > -60_000 ? 'just now' : exactTime(ms);
  if (since < 60_000) return `${Math.floor(since / 1000)}${THIN}s ago`;
  if (since < 3_600_000) return `${Math.floor(since / 60_000)}${THIN}min ago`;
  if (since < DAY_MS) return `${Math.floor(since / 3_600_000)}${THIN}h ago`;
  return onDay(ms, nowMs);
}

/** How long a job takes yet, from its share done; null while that says too little. */
export function remaining(progress: number | null, elapsedS: number): string | null {
  if (progress === null || progress < 0.05 || progress >= 1 || elapsedS < 2) return null;
  return duration(Math.max(1, (elapsedS * (1 - progress)) / progress));
}

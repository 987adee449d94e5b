// Figures as people read them: three significant digits, thin spaces, a true minus, SI for rates and IEC for memory.
// The engine's are `src-tauri/crates/words`; its `golden/figures.json` holds what both must say.

/** Unit of a metric's values, as in the catalogue; `ms` is for benchmark figures. */
export type Unit = 'ratio' | 'bytes' | 'bytes_per_second' | 'seconds' | 'per_second' | 'count' | 'ms';

/** Narrow space between a figure and its unit and between thousands; unlike a thin one (U+2009) no line breaks at it. */
export const THIN = '\u202f';
export const MINUS = '\u2212';
export const DASH = '\u2013';
/** In place of a percentile that its samples are too few for. */
export const TOO_SMALL = 'n too small';

/** Digits after the point at most. */
const MOST_DECIMALS = 12;

/** A minus before `text` where `value` is negative and something of it is left after rounding. */
const signed = (value: number, text: string): string => (value < 0 && /[1-9]/.test(text) ? MINUS + text : text);
/** The size of `value` with `decimals` digits after the point, halves away from zero. */
const fixed = (value: number, decimals: number): string => Math.abs(value).toFixed(decimals);

/** The nearest whole number with thin spaces between its thousands, halves away from zero. */
export function integer(value: number): string {
  if (!Number.isFinite(value)) return DASH;
  // `toFixed` writes an exponent from 1e21 on.
  const digits = BigInt(Math.round(Math.abs(value))).toString();
  return signed(value, digits.replace(/\B(?=(\d{3})+(?!\d))/g, THIN));
}

/** `1 pair`, `2 pairs`. */
export const plural = (n: number, one: string): string => `${integer(n)} ${one}${n === 1 ? '' : 's'}`;

/**
 * `value` with `digits` significant digits, never in exponent form, trailing zeros kept; whole numbers from where those
 * digits are all before the point.
 */
export function significant(value: number, digits = 3): string {
  if (value === 0 || !Number.isFinite(value)) return value === 0 ? '0' : DASH;
  // The exponent after rounding: 9.996 with three digits is 10.0.
  const magnitude = Number(value.toExponential(digits - 1).split('e')[1]);
  const decimals = Math.min(Math.max(0, digits - 1 - magnitude), MOST_DECIMALS);
  if (decimals === 0) return integer(value);
  const text = fixed(value, decimals);
  return /[1-9]/.test(text) ? signed(value, text) : '0';
}

/** Two digits after the point from 0.01 up to 1, three significant ones beyond. */
const small = (value: number): string =>
  Math.abs(value) >= 0.01 && Math.abs(value) < 1 ? signed(value, fixed(value, 2)) : significant(value);

const SI = ['', 'k', 'M', 'G', 'T', 'P'];
const IEC = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const PER_SECOND = ['B/s', 'kB/s', 'MB/s', 'GB/s', 'TB/s'];

function step(value: number, base: number, names: readonly string[]): [number, string] {
  let scaled = value;
  let i = 0;
  while (Math.abs(scaled) >= base * 0.9995 && i < names.length - 1) {
    scaled /= base;
    i += 1;
  }
  return [scaled, names[i]!];
}

/** Whole below its first larger unit, with three significant digits in those. */
function stepped(value: number, base: number, names: readonly string[]): string {
  if (!Number.isFinite(value)) return DASH;
  const [scaled, name] = step(value, base, names);
  return (name === names[0] ? integer(scaled) : significant(scaled)) + THIN + name;
}

const plain = (value: number): string => (Number.isInteger(value) ? integer(value) : significant(value));

/** A rate without its unit: whole numbers as they are up to 9 999, in thousands and so on above: `12.4 k`. */
export function rate(value: number): string {
  if (!Number.isFinite(value)) return DASH;
  if (Math.abs(value) < 9999.5) return Math.abs(value) >= 100 ? integer(value) : plain(value);
  const [scaled, name] = step(value, 1000, SI);
  return significant(scaled) + THIN + name;
}

/** Seconds as s, ms or µs; minutes from 120 s. */
export function seconds(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return `0${THIN}ms`;
  if (size < 0.9995e-3) return `${significant(value * 1e6)}${THIN}µs`;
  if (size < 0.9995) return `${significant(value * 1e3)}${THIN}ms`;
  if (size < 120) return `${significant(value)}${THIN}s`;
  return duration(value);
}

/** A length of time in whole units: `38 s`, `3 min 38 s`, `2 h 5 min`. */
export function duration(value: number): string {
  if (!Number.isFinite(value)) return DASH;
  const whole = Math.round(Math.abs(value));
  const two = (first: number, unit: string, rest: number, small: string): string =>
    `${integer(first)}${THIN}${unit}${rest > 0 ? ` ${rest}${THIN}${small}` : ''}`;
  if (whole < 60) return signed(value, `${whole}${THIN}s`);
  if (whole < 3600) return signed(value, two(Math.floor(whole / 60), 'min', whole % 60, 's'));
  const minutes = Math.round(whole / 60);
  return signed(value, two(Math.floor(minutes / 60), 'h', minutes % 60, 'min'));
}

/** A length of time that is not worth its milliseconds: `< 1 s` below one, whole units from there. */
export const whole = (value: number): string => (Math.abs(value) < 0.95 ? `<${THIN}1${THIN}s` : duration(value));

/** How long something took: in ms below a second, with one decimal below ten: `400 ms`, `1.5 s`, `38 s`. What is not 0 does not say 0. */
export function lasted(value: number): string {
  const size = Math.abs(value);
  if (size > 0 && size < 0.9995) return seconds(value);
  return size > 0 && size < 9.95 ? signed(value, `${fixed(value, 1)}${THIN}s`) : duration(value);
}

/** A number as it was entered, with thin spaces between its thousands: nothing of it is rounded away. */
export function exactly(value: number): string {
  if (!Number.isFinite(value)) return DASH;
  // A sum of what was entered has no more digits than that.
  const [whole, decimals] = String(Math.abs(Number(value.toPrecision(MOST_DECIMALS)))).split('.') as [string, string?];
  return signed(value, `${integer(Number(whole))}${decimals ? `.${decimals}` : ''}`);
}

/** What was asked for, in seconds or per second, exactly: `250 ms`, `1.5 s`, `1 min 40 s`, `122.5/s`. */
export function setting(value: number, unit: 'seconds' | 'per_second' = 'seconds'): string {
  if (unit === 'per_second') return `${exactly(value)}/s`;
  if (!Number.isFinite(value)) return DASH;
  if (value !== 0 && Math.abs(value) < 1) return `${exactly(value * 1e3)}${THIN}ms`;
  const size = Number(Math.abs(value).toPrecision(MOST_DECIMALS));
  if (size < 60) return `${exactly(value)}${THIN}s`;
  const [hours, minutes] = [Math.floor(size / 3600), Math.floor((size % 3600) / 60)];
  const parts: (readonly [number, string])[] = [
    [hours, 'h'],
    [minutes, 'min'],
    [Number((size % 60).toFixed(9)), 's'],
  ];
  const said = parts.filter(([n]) => n > 0).map(([n, unit]) => `${exactly(n)}${THIN}${unit}`);
  return signed(value, said.join(' '));
}

/** Bytes in IEC units. */
export const bytes = (value: number): string => stepped(value, 1024, IEC);

/** `amount` in the unit that {@link bytes} shows `of` in, without that unit, and with as many digits after the point. */
export function bytesAs(amount: number, of: number): string {
  const text = bytes(of);
  const unit = text.slice(text.lastIndexOf(THIN) + 1);
  const decimals = /[.](\d+)/.exec(text)?.[1]?.length ?? 0;
  return fixed(amount / 1024 ** Math.max(0, IEC.indexOf(unit)), decimals);
}

/** A figure in words; a dash where it is not known. */
export const orDash = (value: number | null | undefined, say: (value: number) => string): string =>
  value === null || value === undefined ? DASH : say(value);

/**
 * A share: three significant digits from 1 %, two after the point down to 0.01 %. What is missing to 100 % is not rounded away: `99.99 %`
 * at most.
 */
function ratio(value: number): string {
  const percent = value * 100;
  const size = Math.abs(percent);
  if (size >= 99.95 && size < 100) return `${signed(percent, fixed(Math.floor(size * 100) / 100, 2))}${THIN}%`;
  if (size === 0 || size >= 100) return `${integer(percent)}${THIN}%`;
  return `${small(percent)}${THIN}%`;
}

/** A value with its unit; an en dash for a missing one. */
export function format(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  switch (unit) {
    case 'ratio':
      return ratio(value);
    case 'bytes':
      return bytes(value);
    case 'bytes_per_second':
      return stepped(value, 1000, PER_SECOND);
    case 'seconds':
      return seconds(value);
    case 'ms':
      return seconds(value / 1000);
    case 'per_second':
      return `${rate(value)}/s`;
    case 'count':
      return !Number.isInteger(value) && Math.abs(value) < 10 ? small(value) : rate(value);
  }
}

/** A relative change (−0.31) as `−31 %`: no decimals from 10 % on, one from 1 %, two below; nothing left has no sign. */
export function percent(change: number): string {
  const value = change * 100;
  const size = Math.abs(value);
  if (Number.isNaN(size)) return DASH;
  const sign = value < 0 ? MINUS : '+';
  if (size === Infinity) return `${sign}∞${THIN}%`;
  const coarse = size >= 9.95 ? integer(size) : fixed(size, size >= 0.995 ? 1 : 2);
  // What is left of nearly all is not rounded away.
  const text = value < -99 && value > -100 ? fixed(Math.floor(size * 10) / 10, 1) : coarse;
  return /[1-9]/.test(text) ? `${sign}${text}${THIN}%` : `0${THIN}%`;
}

/** The exact value, for a tooltip or a table. */
export function exact(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  const names: Record<Unit, string> = {
    ratio: '',
    bytes: ' B',
    bytes_per_second: ' B/s',
    seconds: ' s',
    per_second: '/s',
    count: '',
    ms: ' ms',
  };
  return `${Number(value.toPrecision(9))}${names[unit]}`;
}

/** A rate in the notation of an axis that ends at `top`: all of its labels in whole numbers, or all from 1,000 on in thousands. */
function axisRate(value: number, top: number): string {
  if (Math.abs(top) < 9999.5) return rate(value);
  const [scaled, name] = step(value, 1000, SI);
  return significant(scaled) + (name === '' ? '' : THIN + name);
}

/** Seconds in the unit that the end of the axis has, without it. */
function axisSeconds(value: number, top: number): string {
  const size = Math.abs(top);
  return plain(Number((value * (size < 0.9995e-3 ? 1e6 : size < 0.9995 ? 1e3 : 1)).toPrecision(6)));
}

/** A label of a value axis that ends at `top`: short, with its unit only when `withUnit`. */
export function axisLabel(value: number, unit: Unit, top: number, withUnit: boolean): string {
  const strip = (text: string): string => text.replace(/\.0+(?=\D|$)/, '').replace(/(\.\d*?)0+(?=\D|$)/, '$1');
  switch (unit) {
    case 'ratio':
      return plain(Number((value * 100).toPrecision(6))) + (withUnit ? `${THIN}%` : '');
    case 'bytes':
    case 'bytes_per_second': {
      const base = unit === 'bytes' ? 1024 : 1000;
      const names = unit === 'bytes' ? IEC : PER_SECOND;
      const [scaled, name] = step(top, base, names);
      const factor = scaled === 0 ? 1 : top / scaled;
      return strip(plain(value / factor)) + (withUnit ? THIN + name : '');
    }
    case 'seconds':
    case 'ms': {
      const s = unit === 'ms' ? value / 1000 : value;
      if (value === 0) return '0';
      const end = unit === 'ms' ? top / 1000 : top;
      // From two minutes on a time is in two units, and each label has its own.
      return strip(withUnit || end >= 120 ? seconds(s) : axisSeconds(s, end));
    }
    default:
      return value === 0 ? '0' : strip(axisRate(value, top));
  }
}

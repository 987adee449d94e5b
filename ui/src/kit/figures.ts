// Figures as people read them: three significant digits, thin spaces, a true minus, SI for rates and IEC for memory.

/** Unit of a metric's values, as in the catalogue; `ms` is for benchmark figures. */
export type Unit = 'ratio' | 'bytes' | 'bytes_per_second' | 'seconds' | 'per_second' | 'count' | 'ms';

/** Thin space, as between a figure and its unit and between thousands. */
export const THIN = '\u2009';
export const MINUS = '\u2212';
export const DASH = '\u2013';

/** An integer with thin spaces between its thousands. */
export function integer(value: number): string {
  const digits = Math.abs(Math.round(value)).toFixed(0);
  const grouped = digits.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
  return value < 0 && Math.round(value) !== 0 ? MINUS + grouped : grouped;
}

/** `value` with `digits` significant digits, never in exponent form, trailing zeros kept. */
export function significant(value: number, digits = 3): string {
  if (value === 0 || !Number.isFinite(value)) return value === 0 ? '0' : DASH;
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  let decimals = Math.max(0, digits - 1 - magnitude);
  const rounded = Math.abs(Number(value.toFixed(Math.min(decimals, 12))));
  if (rounded !== 0 && Math.floor(Math.log10(rounded)) > magnitude) decimals = Math.max(0, decimals - 1);
  if (decimals === 0) return integer(value);
  const text = Math.abs(value).toFixed(Math.min(decimals, 12));
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

const SI = ['', 'k', 'M', 'G', 'T', 'P'];
const IEC = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

function step(value: number, base: number, names: readonly string[]): [number, string] {
  let scaled = value;
  let i = 0;
  while (Math.abs(scaled) >= base * 0.9995 && i < names.length - 1) {
    scaled /= base;
    i += 1;
  }
  return [scaled, names[i]!];
}

const plain = (value: number): string => (Number.isInteger(value) ? integer(value) : significant(value));

function rate(value: number): string {
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

/** A length of time in words: `38 s`, `3 min 38 s`, `2 h 5 min`. */
export function duration(value: number): string {
  const whole = Math.round(value);
  if (whole < 60) return `${whole}${THIN}s`;
  if (whole < 3600) {
    const rest = whole % 60;
    return `${Math.floor(whole / 60)}${THIN}min` + (rest > 0 ? ` ${rest}${THIN}s` : '');
  }
  const minutes = Math.round((whole % 3600) / 60);
  return `${Math.floor(whole / 3600)}${THIN}h` + (minutes > 0 ? ` ${minutes}${THIN}min` : '');
}

/** Bytes in IEC units. */
export function bytes(value: number): string {
  const [scaled, name] = step(value, 1024, IEC);
  return (name === 'B' ? integer(scaled) : significant(scaled)) + THIN + name;
}

/** A value with its unit; an en dash for a missing one. */
export function format(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  switch (unit) {
    case 'ratio': {
      const percent = value * 100;
      const size = Math.abs(percent);
      if (size === 0 || size >= 99.95) return integer(percent) + THIN + '%';
      const exact = size < 1 ? percent.toFixed(2).replace('-', MINUS) : significant(percent);
      return exact + THIN + '%';
    }
    case 'bytes':
      return bytes(value);
    case 'bytes_per_second': {
      const [scaled, name] = step(value, 1000, ['B/s', 'kB/s', 'MB/s', 'GB/s', 'TB/s']);
      return (name === 'B/s' ? integer(scaled) : significant(scaled)) + THIN + name;
    }
    case 'seconds':
      return seconds(value);
    case 'ms':
      return seconds(value / 1000);
    case 'per_second':
      return `${rate(value)}/s`;
    case 'count':
      return !Number.isInteger(value) && Math.abs(value) < 10 ? value.toFixed(2).replace('-', MINUS) : rate(value);
  }
}

/** The exact value, for a tooltip or a table. */
export function exact(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
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

/** A label of a value axis: short, with its unit only when `withUnit`. */
export function axisLabel(value: number, unit: Unit, top: number, withUnit: boolean): string {
  const strip = (text: string): string => text.replace(/\.0+(?=\D|$)/, '').replace(/(\.\d*?)0+(?=\D|$)/, '$1');
  switch (unit) {
    case 'ratio':
      return plain(Number((value * 100).toPrecision(6))) + (withUnit ? `${THIN}%` : '');
    case 'bytes':
    case 'bytes_per_second': {
      const base = unit === 'bytes' ? 1024 : 1000;
      const names = unit === 'bytes' ? IEC : ['B/s', 'kB/s', 'MB/s', 'GB/s', 'TB/s'];
      const [scaled, name] = step(top, base, names);
      const factor = scaled === 0 ? 1 : top / scaled;
      return strip(plain(value / factor)) + (withUnit ? THIN + name : '');
    }
    case 'seconds':
    case 'ms': {
      const s = unit === 'ms' ? value / 1000 : value;
      if (value === 0) return '0';
      return strip(seconds(s));
    }
    default:
      return value === 0 ? '0' : strip(rate(value));
  }
}

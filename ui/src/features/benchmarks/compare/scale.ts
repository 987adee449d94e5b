// Scales and words of a comparison's figures.
import { DASH, percent } from '../../../kit/figures';
import type { Tone } from '../../../kit/outcome';
import type { MetricComparison, StoredComparison } from '../types';

/** A relative change for people: `−31 %`; an en dash where there is none. */
export const effectText = (effect: number | null): string => (effect === null ? DASH : percent(effect));

/** `−36 % to −25 %`; empty where there is no interval. */
export const intervalText = (low: number | null, high: number | null): string =>
  low === null || high === null ? '' : `${effectText(low)} to ${effectText(high)}`;

/** `95 %`, `97.8 %`. */
export const levelText = (level: number): string => `${Number((level * 100).toFixed(1))}\u202f%`;

/** One row of the interval figure. */
export interface Row {
  key: string;
  label: string;
  effect: number | null;
  low: number | null;
  high: number | null;
  primary: boolean;
  /** Edges of the band of no consequence; null where there is none. */
  band: { low: number; high: number } | null;
  verdict: string;
  /** What a reader must know of it, in full. */
  note: string | null;
  /** Whether there are too few requests for this figure. */
  small: boolean;
}

const WORDS: Record<string, string> = {
  faster: 'Faster',
  slower: 'Slower',
  equivalent: 'Equivalent',
  real_but_small: 'Real but small',
  inconclusive: 'Inconclusive',
  invalid: 'Invalid',
};
export const verdictWord = (verdict: string): string => WORDS[verdict] ?? verdict;

/** Colour of a verdict, always beside its word. */
export function verdictTone(verdict: string): Tone | 'plain' {
  if (verdict === 'faster') return 'ok';
  if (verdict === 'slower' || verdict === 'invalid') return 'bad';
  return verdict === 'inconclusive' ? 'warn' : 'plain';
}

export const metricLabel = (m: Pick<MetricComparison, 'name'>): string => (m.name === 'p999' ? 'p99.9' : m.name);

/** Rows of the figure: the metrics in reading order, the chosen ones marked. */
export function rows(c: StoredComparison): Row[] {
  return c.metrics.map((m) => ({
    key: m.name,
    label: metricLabel(m),
    effect: m.effect,
    low: m.low,
    high: m.high,
    primary: m.primary,
    band: { low: m.band_low, high: m.delta },
    verdict: m.verdict,
    note: m.note,
    small: m.note?.startsWith('n too small') === true,
  }));
}

/** The effect axis: its ends and its labelled values. */
export interface EffectAxis {
  low: number;
  high: number;
  ticks: number[];
}

/** Room beyond the widest interval, as a share of the axis. */
const ROOM = 0.06;

/**
 * An axis no wider than what it shows: every effect with its interval, no change, and of the bands what lies within, or a third
 * of them at least.
 */
export function effectAxis(list: readonly Pick<Row, 'effect' | 'low' | 'high' | 'band'>[]): EffectAxis {
  const all = list.flatMap((r) => [r.effect, r.low, r.high]).filter((v) => v !== null);
  const band = Math.max(0.02, ...list.map((r) => r.band?.high ?? 0));
  const [least, most] = [Math.min(0, ...all), Math.max(0, ...all)];
  const reach = most - least;
  // Without much of an effect the band is what is shown; beside a large one only its near part.
  const edge = Math.min(band * 1.15, Math.max(reach / 3, band / 3));
  const low = Math.min(least, -edge);
  const high = Math.max(most, edge);
  const room = (high - low) * ROOM;
  const [from, to] = [least < -edge ? low - room : low, most > edge ? high + room : high];
  const step = stepOf((to - from) / 4);
  const found: number[] = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to + 1e-9; k += 1) found.push(Number((k * step).toPrecision(6)));
  return { low: from, high: to, ticks: found.map((v) => (v === 0 ? 0 : v)) };
}

/** The smallest of 1, 2, 5, 10 … that is not below. */
function stepOf(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  return ([1, 2, 5, 10].find((m) => m * power >= raw * 0.999) ?? 10) * power;
}

/** The sentence split at its first colon: the verdict's word and the rest. */
export function split(sentence: string): { word: string; rest: string } {
  const at = sentence.indexOf(':');
  return at > 0 && at < 24 ? { word: sentence.slice(0, at), rest: sentence.slice(at + 1).trim() } : { word: '', rest: sentence };
}

/** Round ends and steps for a small value axis: at most five labels. */
export function ticks(low: number, high: number): number[] {
  const span = Math.max(high - low, Math.abs(high) * 0.02, 1e-9);
  const step = stepOf(span / 3);
  const from = Math.floor(low / step) * step;
  const found: number[] = [];
  for (let v = from; v <= high + step * 0.999 && found.length < 6; v += step) found.push(Number(v.toPrecision(12)));
  return found;
}

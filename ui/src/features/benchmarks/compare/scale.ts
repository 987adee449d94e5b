// Scales and words of a comparison's figures.
import { DASH, percent } from '../../../kit/figures';
import type { MetricComparison, StoredComparison } from '../types';

/** A relative change for people: `−31 %`; an en dash where there is none. */
export const effectText = (effect: number | null): string => (effect === null ? DASH : percent(effect));

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
export function verdictTone(verdict: string): 'good' | 'bad' | 'warn' | 'plain' {
  if (verdict === 'faster') return 'good';
  if (verdict === 'slower' || verdict === 'invalid') return 'bad';
  return verdict === 'inconclusive' ? 'warn' : 'plain';
}

const name = (m: MetricComparison): string => (m.name === 'p999' ? 'p99.9' : m.name);

/** Rows of the figure: the metrics in reading order, the chosen ones marked. */
export function rows(c: StoredComparison): Row[] {
  return c.metrics.map((m) => ({
    key: m.name,
    label: name(m),
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

/** Symmetric ends of the effect axis: the smallest round share that holds every interval and band. */
export function effectEnd(list: readonly Row[]): number {
  const all = list.flatMap((r) => [r.effect, r.low, r.high, r.band?.low ?? null, r.band?.high ?? null]);
  const most = Math.max(0.02, ...all.map((v) => Math.abs(v ?? 0)));
  return [0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 1, 2, 5].find((v) => v >= most * 1.02) ?? Math.ceil(most);
}

/** The sentence split at its first colon: the verdict's word and the rest. */
export function split(sentence: string): { word: string; rest: string } {
  const at = sentence.indexOf(':');
  return at > 0 && at < 24 ? { word: sentence.slice(0, at), rest: sentence.slice(at + 1).trim() } : { word: '', rest: sentence };
}

/** Round ends and steps for a small value axis: at most five labels. */
export function ticks(low: number, high: number): number[] {
  const span = Math.max(high - low, Math.abs(high) * 0.02, 1e-9);
  const raw = span / 3;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10) * power;
  const from = Math.floor(low / step) * step;
  const found: number[] = [];
  for (let v = from; v <= high + step * 0.999 && found.length < 6; v += step) found.push(Number(v.toPrecision(12)));
  return found;
}

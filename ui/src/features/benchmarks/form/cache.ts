// Commands of a cache on keys that are drawn: text fields to a specification, with what is wrong beside its field.
import { integer } from '../../../kit/figures';
import type { CacheBenchSpec, Pace } from '../types';
import { MASK, maskWords } from './http';
import { blankLoad, decimal, fromPace, parsePace, USUAL, whole, within, type LoadErrors, type LoadForm } from './load';

export interface ShareForm {
  command: string;
  weight: string;
}

export interface CacheForm {
  mix: ShareForm[];
  prefix: string;
  keys: string;
  spread: 'even' | 'zipf';
  exponent: string;
  size: string;
  pipeline: string;
}

export type CacheErrors = Partial<Record<Exclude<keyof CacheForm, 'mix' | 'spread'>, string>> & { mix: string[]; load: LoadErrors };

/** Commands that the form offers; any other whose only argument is a key may be typed. */
export const COMMANDS = ['GET', 'SET', 'DEL', 'INCR', 'EXISTS', 'TTL', 'HGETALL', 'LLEN', 'SCARD', 'LPUSH', 'SADD'] as const;

/** Reads may be sent to keys that an application has; the usual mix writes, and so only to keys of its own. */
export const blankCache = (prefix: string | null): CacheForm => ({
  mix: prefix === null ? [share('GET', '9'), share('SET', '1')] : [share('GET', '1')],
  prefix: prefix ?? 'perfdeck:bench:',
  keys: prefix === null ? '100000' : '1000',
  spread: 'even',
  exponent: '1',
  size: '100',
  pipeline: '1',
});
const share = (command: string, weight: string): ShareForm => ({ command, weight });
export const blankCacheLoad = (): LoadForm => blankLoad(USUAL.data);

/** The fixed beginning of a key pattern: `user:*` draws `user:0`, `user:1`, …. */
export const prefixOf = (pattern: string): string => pattern.split(/[*?[{<]/)[0] ?? '';

/** Whether a mix sets values, so that their size matters. */
export const setsValues = (mix: readonly ShareForm[]): boolean =>
  mix.some((s) => ['SET', 'APPEND', 'LPUSH', 'RPUSH', 'SADD', 'GETSET'].includes(s.command.trim().toUpperCase()));

/** The specification, or what is wrong with which field. */
export function parseCache(
  form: CacheForm,
  load: LoadForm,
  kept: Pick<Pace, 'seed' | 'threads'>,
): { spec: CacheBenchSpec | null; errors: CacheErrors } {
  const errors: CacheErrors = { mix: [], load: {} };
  errors.mix = form.mix.map((s) =>
    !/^[A-Za-z][\w.]*$/.test(s.command.trim())
      ? 'The name of a command'
      : decimal(s.weight) >= 0
        ? ''
        : 'A weight is a number of 0 or more',
  );
  if (form.mix.every((s) => decimal(s.weight) === 0)) errors.mix[0] ||= 'One of them needs a weight above 0';
  if (form.prefix.includes(MASK)) errors.prefix = maskWords;
  const keys = whole(form.keys);
  if (!within(keys, 1, 1_000_000_000)) errors.keys = `A whole number from 1 to ${integer(1_000_000_000)}`;
  const exponent = decimal(form.exponent);
  if (form.spread === 'zipf' && !within(exponent, 0, 10)) errors.exponent = 'From 0 (even) to 10; about 1 is usual';
  const size = whole(form.size);
  if (setsValues(form.mix) && !within(size, 1, 16_777_216)) errors.size = `From 1 to ${integer(16_777_216)} bytes`;
  const pipeline = whole(form.pipeline);
  if (!within(pipeline, 1, 1000)) errors.pipeline = `A whole number from 1 to ${integer(1000)}`;
  const pace = parsePace(load, kept, errors.load);
  const { mix, load: ofLoad, ...rest } = errors;
  if (mix.some((f) => f !== '') || Object.keys(ofLoad).length + Object.keys(rest).length > 0) return { spec: null, errors };
  const spec: CacheBenchSpec = {
    mix: form.mix.map((s) => ({ command: s.command.trim().toUpperCase(), weight: decimal(s.weight) })),
    prefix: form.prefix,
    keys,
    zipf: form.spread === 'zipf' ? exponent : null,
    value_size: Number.isNaN(size) ? 100 : size,
    pipeline,
    pace,
  };
  return { spec, errors };
}

export const fromCache = (spec: CacheBenchSpec): { form: CacheForm; load: LoadForm } => ({
  form: {
    mix: spec.mix.map((s) => share(s.command.toUpperCase(), String(s.weight))),
    prefix: spec.prefix,
    keys: String(spec.keys),
    spread: spec.zipf === null ? 'even' : 'zipf',
    exponent: String(spec.zipf ?? 1),
    size: String(spec.value_size),
    pipeline: String(spec.pipeline),
  },
  load: fromPace(spec.pace),
});

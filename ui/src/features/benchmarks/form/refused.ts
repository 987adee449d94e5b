// What the engine refuses before anything is sent, at the field that it is about.
import { fieldOf } from '../../../kit/draft';
import type { ApiProblem } from '../../../kit/client';
import type { Read } from './fields';

/** The engine's fields of a load, by their field of the form. */
const LOAD = {
  thresholds: 'thresholds',
  connections: 'connections',
  rate_per_s: 'rate',
  duration_s: 'duration',
  warmup_s: 'warmup',
  timeout_s: 'timeout',
  late_limit_s: 'late',
} as const;
/** What a search sets itself, so that the form does not ask for it. */
export const SEARCHED: readonly string[] = ['thresholds', 'connections', 'rate_per_s', 'duration_s', 'late_limit_s'];
const HTTP = { url: 'url', headers: 'headers', body: 'body', body_base64: 'body' } as const;
const SQL = { statement: 'statement', sql: 'statement' } as const;
const CACHE = { prefix: 'prefix', keys: 'keys', zipf: 'exponent', value_size: 'size', pipeline: 'pipeline' } as const;

type Errors = Read['errors'];
const at = <K extends string, V>(table: Readonly<Record<K, V>>, field: string): V | undefined =>
  Object.hasOwn(table, field) ? table[field as K] : undefined;

/** The field that a refusal names, and the refusal without it; null where it names none of the form. */
export function refusedAt(failure: ApiProblem | null): { field: string; message: string } | null {
  if (failure === null) return null;
  // A statement and a command are a plan of one step for the engine, which nobody wrote here.
  const made = /^(?:plan '.*?': )?(?:step '.*?', )?/s.exec(failure.message)?.[0] ?? '';
  const rest = failure.message.slice(made.length);
  if (/^threshold '/.test(rest)) return { field: 'thresholds', message: rest.slice('threshold '.length) };
  const { field, message } = fieldOf(rest);
  if (![LOAD, HTTP, SQL, CACHE].some((table) => at(table as Record<string, string>, field) !== undefined)) return null;
  return { field, message: failure.hint !== null && made === '' ? `${message}. ${failure.hint}` : message };
}

/** The errors of a form with what was refused at its field. What the form found itself comes first. */
export function withRefused(errors: Errors, refused: { field: string; message: string } | null): Errors {
  if (refused === null) return errors;
  const put = (key: string | undefined): Record<string, string> => (key === undefined ? {} : { [key]: refused.message });
  const load = put(at(LOAD, refused.field));
  return {
    http: { ...put(at(HTTP, refused.field)), ...load, ...errors.http },
    sql: { ...put(at(SQL, refused.field)), ...errors.sql },
    cache: { ...put(at(CACHE, refused.field)), ...errors.cache },
    load: { ...load, ...errors.load },
  };
}

// The form as a whole: what is benchmarked, from text fields to a specification and back.
import type { Benchmarked } from '../../../kit/benchmark';
import type { BenchSpec, Method, Pace, SavedPlan, HttpBenchSpec } from '../types';
import { blankCache, blankCacheLoad, fromCache, parseCache, prefixOf, type CacheErrors, type CacheForm } from './cache';
import { blank, fromSpec, parse, type Form, type FormErrors, type HttpForm } from './http';
import { USUAL, type LoadErrors, type LoadForm } from './load';
import { blankSql, blankSqlLoad, fitted, fromSql, parametersOf, parseSql, type SqlErrors, type SqlForm } from './sql';

export type What = BenchSpec['kind'];

export const KINDS: readonly { value: What; label: string; testid: string }[] = [
  { value: 'http', label: 'HTTP request', testid: 'bench-what-http' },
  { value: 'sql', label: 'SQL', testid: 'bench-what-sql' },
  { value: 'cache', label: 'Cache', testid: 'bench-what-cache' },
  { value: 'plan', label: 'Plan', testid: 'bench-what-plan' },
];
/** What is started, in the plural. */
export const WHAT: Record<What, string> = { http: 'requests', sql: 'statements', cache: 'commands', plan: 'iterations' };
/** What A and B of a duet are. */
export const SIDES: Record<What, string> = {
  http: 'A is the address above, B another one',
  sql: 'A is the database of this environment, B that of another one',
  cache: 'A is the cache of this environment, B that of another one',
  plan: 'A is this environment, B another one',
};
/** Targets that it needs. */
export const rolesOf = (what: What): readonly string[] => (what === 'sql' ? ['database'] : what === 'cache' ? ['cache'] : []);

export interface Fields {
  what: What;
  http: HttpForm;
  sql: SqlForm;
  cache: CacheForm;
  /** Identifier of a saved plan. */
  plan: string;
  load: LoadForm;
  kept: Pick<HttpBenchSpec, 'threads' | 'client_certificate'>;
  seed: number;
}

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] satisfies Method[];

/** A path on an API's address, which may have a path of its own. */
export function addressOf(path: string, api: string | null): string {
  if (api === null) return path;
  try {
    return new URL(path, api).href;
  } catch {
    return path;
  }
}

const split = (form: Form): { http: HttpForm; load: LoadForm } => {
  const { url, method, headers, body, insecure, ...load } = form;
  return { http: { url, method, headers, body, insecure }, load };
};

/** The form at first: of a specification, of what the address asks for, or blank. */
export function begin(from: BenchSpec | null, asked: Benchmarked | null, environment: { apiUrl: string | null } | null): Fields {
  const api = environment?.apiUrl ?? null;
  const fields: Fields = {
    what: 'http',
    ...split(blank(api ?? '')),
    sql: blankSql(''),
    cache: blankCache(null),
    plan: '',
    kept: { threads: null },
    seed: 1,
  };
  switch (from?.kind) {
    case 'http':
      return {
        ...fields,
        ...split(fromSpec(from)),
        kept: { threads: from.threads, ...(from.client_certificate ? { client_certificate: from.client_certificate } : {}) },
      };
    case 'sql': {
      const { form, load } = fromSql(from);
      return { ...fields, what: 'sql', sql: form, load, kept: { threads: from.pace.threads }, seed: from.pace.seed };
    }
    case 'cache': {
      const { form, load } = fromCache(from);
      return { ...fields, what: 'cache', cache: form, load, kept: { threads: from.pace.threads }, seed: from.pace.seed };
    }
  }
  switch (asked?.kind) {
    case 'http': {
      const method = asked.method?.toUpperCase() ?? 'GET';
      fields.http.url = 'url' in asked ? asked.url : addressOf(asked.path, api);
      if (METHODS.includes(method)) fields.http.method = method as Method;
      return fields;
    }
    case 'sql':
      return {
        ...fields,
        what: 'sql',
        load: blankSqlLoad(),
        sql: { ...blankSql(asked.statement), parameters: fitted([], parametersOf(asked.statement)) },
      };
    case 'cache':
      return { ...fields, what: 'cache', load: blankCacheLoad(), cache: blankCache(asked.pattern === '' ? null : prefixOf(asked.pattern)) };
  }
  return fields;
}

/** Another kind of work; connections that were not touched are the usual ones of it. */
export function choose(fields: Fields, what: What): void {
  const usual = (of: What): string => (of === 'http' ? USUAL.http : USUAL.data);
  if (fields.load.connections === usual(fields.what)) fields.load.connections = usual(what);
  fields.what = what;
}

export interface Read {
  spec: BenchSpec | null;
  errors: { http: FormErrors; sql: SqlErrors; cache: CacheErrors; load: LoadErrors };
}

/** The specification, or what is wrong with which field. */
export function read(fields: Fields, load: LoadForm, plan: SavedPlan | null): Read {
  const none: Read = { spec: null, errors: { http: {}, sql: { parameters: [], load: {} }, cache: { mix: [], load: {} }, load: {} } };
  const kept: Pick<Pace, 'seed' | 'threads'> = { seed: fields.seed, threads: fields.kept.threads };
  switch (fields.what) {
    case 'http': {
      const { spec, errors } = parse({ ...fields.http, ...load }, fields.kept);
      return { spec: spec && { kind: 'http', ...spec }, errors: { ...none.errors, http: errors, load: errors } };
    }
    case 'sql': {
      const { spec, errors } = parseSql(fields.sql, load, kept);
      return { spec: spec && { kind: 'sql', ...spec }, errors: { ...none.errors, sql: errors, load: errors.load } };
    }
    case 'cache': {
      const { spec, errors } = parseCache(fields.cache, load, kept);
      return { spec: spec && { kind: 'cache', ...spec }, errors: { ...none.errors, cache: errors, load: errors.load } };
    }
    case 'plan':
      return plan ? { ...none, spec: { kind: 'plan', toml: plan.toml, threads: null } } : none;
  }
}

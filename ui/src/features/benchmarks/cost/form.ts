// What is asked when the cost of a request is measured: text fields to a request, with what is wrong beside its field.
import type { BenchSpec, CostRequest, Run } from '../../../backend/types';
import { quote } from '../form/command';
import { addressOf } from '../form/fields';
import { blank, fromSpec, parse, type FormErrors, type HttpForm, type HttpKept } from '../form/http';
import { blankLoad, decimal, parseSeconds, whole, within } from '../form/load';

export interface CostForm {
  http: HttpForm;
  /** A rate instead of one after the other. */
  paced: boolean;
  rate: string;
  pairs: string;
  block: string;
  name: string;
}

export interface CostErrors {
  http: FormErrors;
  rate?: string;
  pairs?: string;
  block?: string;
}

/** What the form begins with: the plan of a run, which has no fields, or a request. */
export interface Begun {
  form: CostForm;
  plan: { toml: string; name: string } | null;
  kept: HttpKept;
  /** Requests that one connection had answered in a second, where a run tells. */
  perS: number | null;
}

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] satisfies HttpForm['method'][];
const request = (of: ReturnType<typeof blank>): HttpForm => {
  const { url, method, headers, body, insecure } = of;
  return { url, method, headers, body, insecure };
};

/** Whether what a run did can be measured so: it sends HTTP requests and nothing else. */
export const isCosted = (run: Pick<Run, 'spec'>): boolean =>
  run.spec.kind === 'http' || !/^\s*kind\s*=\s*["'](sql|cache)["']/m.test(run.spec.toml);
/** The same of its line in a list, where a plan's name tells nothing. */
export const isRequest = (text: string): boolean => /^[A-Z]+ https?:\/\//.test(text);

export function begin(asked: (name: string) => string | null, api: string | null, run: Run | null): Begun {
  const form: CostForm = { http: request(blank(api ?? '')), paced: false, rate: '20', pairs: '8', block: '2', name: '' };
  if (run?.spec.kind === 'http') {
    const { spec } = run;
    const kept: HttpKept = { threads: null, ...(spec.client_certificate ? { client_certificate: spec.client_certificate } : {}) };
    form.http = request(fromSpec(spec));
    if (spec.load.kind === 'rate') [form.paced, form.rate] = [true, String(spec.load.rate_per_s)];
    const ms = run.service_ms?.mean ?? null;
    return { form, plan: null, kept, perS: ms !== null && ms > 0 ? 1000 / ms : null };
  }
  if (run)
    return { form, plan: { toml: run.spec.kind === 'plan' ? run.spec.toml : '', name: run.name }, kept: { threads: null }, perS: null };
  const [path, url, method] = [asked('path'), asked('url'), asked('method')?.toUpperCase() ?? 'GET'];
  if (url !== null) form.http.url = url;
  else if (path !== null) form.http.url = addressOf(path, api);
  if (METHODS.includes(method)) form.http.method = method as HttpForm['method'];
  return { form, plan: null, kept: { threads: null }, perS: null };
}

export interface Asked {
  spec: BenchSpec | null;
  pairs: number;
  block_s: number;
  errors: CostErrors;
}

/** The request, or what is wrong with which field. */
export function read(form: CostForm, begun: Pick<Begun, 'plan' | 'kept'>): Asked {
  const errors: CostErrors = { http: {} };
  const pairs = whole(form.pairs);
  if (!within(pairs, 6, 60)) errors.pairs = 'A whole number from 6 to 60';
  const block_s = parseSeconds(form.block);
  if (!within(block_s, 0.5, 60)) errors.block = 'From 500 ms to 60 s';
  const rate = decimal(form.rate);
  if (form.paced && !begun.plan && !within(rate, 0.1, 1_000_000)) errors.rate = 'Requests per second, from 0.1';
  const fine = errors.pairs === undefined && errors.block === undefined && errors.rate === undefined;
  if (begun.plan) return { spec: fine ? { kind: 'plan', toml: begun.plan.toml, threads: null } : null, pairs, block_s, errors };
  // The blocks have their own length, and a closed loop has one connection: what stands here is only what is valid.
  const load = { ...blankLoad('1'), kind: form.paced ? ('rate' as const) : ('closed' as const), rate: form.rate, warmup: '0' };
  const found = parse({ ...form.http, ...load }, begun.kept);
  errors.http = found.errors;
  return { spec: fine && found.spec ? { kind: 'http', ...found.spec } : null, pairs, block_s, errors };
}

export const asRequest = (asked: Asked, spec: BenchSpec, environment: string, name: string, confirm: string | null): CostRequest => ({
  spec,
  environment_id: environment,
  pairs: asked.pairs,
  block_s: asked.block_s,
  name: name.trim() || null,
  confirm,
});

/** The same in a terminal, in groups; empty where it needs a plan's file. */
export function costCommand(asked: Asked, environment: string, confirm: string | null): string[] {
  if (asked.spec?.kind !== 'http') return [];
  const { spec } = asked;
  const option = (name: string, value: string): string => (value.startsWith('-') ? `${name}=${quote(value)}` : `${name} ${quote(value)}`);
  return [
    `perfctl db cost ${quote(spec.url)}`,
    ...(spec.method === 'GET' ? [] : [option('--method', spec.method)]),
    ...spec.headers.map((h) => option('--header', `${h.name}: ${h.value}`)),
    ...(spec.body ? [option('--body', spec.body.startsWith('@') ? '@body.txt' : spec.body)] : []),
    ...(spec.insecure_tls ? ['--insecure'] : []),
    ...(spec.load.kind === 'rate' ? [option('--rate', String(spec.load.rate_per_s))] : []),
    option('--pairs', String(asked.pairs)),
    option('--block', asked.block_s < 1 ? `${asked.block_s * 1000}ms` : `${asked.block_s}s`),
    option('--env', environment),
    ...(confirm === null ? [] : [option('--confirm', confirm)]),
  ];
}

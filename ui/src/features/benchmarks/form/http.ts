// One HTTP request: text fields to a specification, with what is wrong beside its field.
import type { HttpBenchSpec, Method } from '../types';
import { blankLoad, linesOf, parseLoad, type LoadForm } from './load';

export { parseSeconds } from './load';

export interface HttpForm {
  url: string;
  method: Method;
  headers: string;
  body: string;
  insecure: boolean;
}
export type Form = HttpForm & LoadForm;

export type FormErrors = Partial<Record<keyof Form, string>>;

/** What takes the place of a part that was not stored because it may be a secret. */
export const MASK = '•••';
export const maskWords = `A part of it was not stored, because it may be a secret: give it again for ${MASK}`;

export const blank = (url: string): Form => ({ ...blankLoad(), url, method: 'GET', headers: '', body: '', insecure: false });

export function fromSpec(spec: HttpBenchSpec): Form {
  return {
    ...blankLoad(String(spec.connections)),
    url: spec.url,
    method: spec.method,
    headers: spec.headers.map((h) => `${h.name}: ${h.value}`).join('\n'),
    // Bytes that are no text are not kept with a run: they are given again.
    body: spec.body ?? (spec.body_base64 ? MASK : ''),
    kind: spec.load.kind,
    rate: spec.load.kind === 'rate' ? String(spec.load.rate_per_s) : '100',
    duration: String(spec.duration_s),
    warmup: String(spec.warmup_s),
    timeout: String(spec.timeout_s),
    thresholds: spec.thresholds.join('\n'),
    insecure: spec.insecure_tls,
  };
}

/** What a form of a request does not show and keeps. */
export type HttpKept = Pick<HttpBenchSpec, 'threads' | 'client_certificate'>;

/** The specification, or what is wrong with which field. */
export function parse(form: Form, kept: HttpKept = { threads: null }): { spec: HttpBenchSpec | null; errors: FormErrors } {
  const errors: FormErrors = {};
  let url = form.url.trim();
  if (url !== '' && !/^[a-z]+:\/\//i.test(url)) url = `http://${url}`;
  try {
    const parsed = new URL(url);
    if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') errors.url = 'Use an http:// or https:// address';
  } catch {
    errors.url = url === '' ? 'Enter the address to send requests to' : 'This is no address: use http://host:port/path';
  }
  const headers: { name: string; value: string }[] = [];
  for (const line of form.headers.split('\n')) {
    if (line.trim() === '') continue;
    const at = line.indexOf(':');
    const name = line.slice(0, at).trim();
    if (at < 1 || !/^[\w!#$%&'*+.^`|~-]+$/.test(name))
      errors.headers = `"${line.trim().slice(0, 40)}" is no header: write Name: value, one a line`;
    else headers.push({ name, value: line.slice(at + 1).trim() });
  }
  const load = parseLoad(form, errors);
  for (const field of ['url', 'headers', 'body'] as const) if (form[field].includes(MASK)) errors[field] = maskWords;
  if (Object.keys(errors).length > 0) return { spec: null, errors };
  const spec: HttpBenchSpec = {
    url,
    method: form.method,
    headers,
    body: form.body === '' || form.method === 'GET' || form.method === 'HEAD' ? null : form.body,
    ...load,
    thresholds: linesOf(form.thresholds),
    ...kept,
    insecure_tls: form.insecure,
  };
  return { spec, errors };
}

// The benchmark form: text fields to a specification, with what is wrong beside its field.
import type { HttpBenchSpec, Method } from './types';

export interface Form {
  url: string;
  method: Method;
  headers: string;
  body: string;
  kind: 'closed' | 'rate';
  connections: string;
  rate: string;
  duration: string;
  warmup: string;
  timeout: string;
  insecure: boolean;
}

export type FormErrors = Partial<Record<keyof Form, string>>;

/** What takes the place of a part that was not stored because it may be a secret. */
export const MASK = '•••';

export const blank = (url: string): Form => ({
  url,
  method: 'GET',
  headers: '',
  body: '',
  kind: 'closed',
  connections: '32',
  rate: '100',
  duration: '10',
  warmup: '1',
  timeout: '10',
  insecure: false,
});

export function fromSpec(spec: HttpBenchSpec): Form {
  return {
    url: spec.url,
    method: spec.method,
    headers: spec.headers.map((h) => `${h.name}: ${h.value}`).join('\n'),
    body: spec.body ?? '',
    kind: spec.load.kind,
    connections: String(spec.connections),
    rate: spec.load.kind === 'rate' ? String(spec.load.rate_per_s) : '100',
    duration: String(spec.duration_s),
    warmup: String(spec.warmup_s),
    timeout: String(spec.timeout_s),
    insecure: spec.insecure_tls,
  };
}

/** `10`, `10s`, `1.5 min`, `2m`, `1h` in seconds; NaN when it is none of these. */
export function parseSeconds(text: string): number {
  const m = /^\s*(\d+(?:[.,]\d+)?)\s*(ms|s|sec|m|min|h)?\s*$/i.exec(text);
  if (!m) return Number.NaN;
  const factor = { ms: 0.001, s: 1, sec: 1, m: 60, min: 60, h: 3600 }[(m[2] ?? 's').toLowerCase()] ?? 1;
  return Number(m[1]!.replace(',', '.')) * factor;
}

const within = (value: number, low: number, high: number): boolean => value >= low && value <= high;

/** The specification, or what is wrong with which field. */
export function parse(form: Form): { spec: HttpBenchSpec | null; errors: FormErrors } {
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
  const connections = Number(form.connections);
  if (!Number.isInteger(connections) || !within(connections, 1, 10_000)) errors.connections = 'A whole number from 1 to 10 000';
  const rate = Number(form.rate.replace(',', '.'));
  if (form.kind === 'rate' && !within(rate, 0.1, 1_000_000)) errors.rate = 'Requests per second, from 0.1 to 1 000 000';
  const duration = parseSeconds(form.duration);
  if (!within(duration, 1, 86_400)) errors.duration = 'From 1 s to 24 h, such as 30 or 2 min';
  const warmup = parseSeconds(form.warmup);
  if (!within(warmup, 0, 3600)) errors.warmup = 'From 0 to 1 h';
  const timeout = parseSeconds(form.timeout);
  if (!within(timeout, 0.01, 600)) errors.timeout = 'From 10 ms to 10 min';
  for (const field of ['url', 'headers', 'body'] as const)
    if (form[field].includes(MASK)) errors[field] = `A part of it was not stored, because it may be a secret: give it again for ${MASK}`;
  if (Object.keys(errors).length > 0) return { spec: null, errors };
  const spec: HttpBenchSpec = {
    url,
    method: form.method,
    headers,
    body: form.body === '' || form.method === 'GET' || form.method === 'HEAD' ? null : form.body,
    load: form.kind === 'closed' ? { kind: 'closed' } : { kind: 'rate', rate_per_s: rate },
    connections,
    threads: null,
    duration_s: duration,
    warmup_s: warmup,
    timeout_s: timeout,
    insecure_tls: form.insecure,
  };
  return { spec, errors };
}

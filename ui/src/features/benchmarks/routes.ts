// What an address below `/benchmarks` shows.
import type { JobResult } from '../../backend/types';

export type Shown =
  | { view: 'list' }
  | { view: 'form' }
  | { view: 'live' }
  | { view: 'run'; id: string }
  | { view: 'compare'; a: string; b: string }
  | { view: 'comparison'; id: string }
  | { view: 'plans'; id: string | null }
  | { view: 'knee'; id: string }
  | { view: 'cost'; id: string | null; job: string | null }
  | { view: 'history'; id: string };

const BASE = '/benchmarks';
const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

/** The address of something below the benchmarks. */
export const pathTo = (to = ''): string => (to === '' ? BASE : `${BASE}/${to.split('/').map(encodeURIComponent).join('/')}`);

/** Where what a job made is shown, below the benchmarks; the list where it made nothing. */
export function placeOf(made: JobResult | null): string {
  if (made === null) return '';
  return made.kind === 'comparison' || made.kind === 'knee' || made.kind === 'cost'
    ? `${made.kind}/${made.id}`
    : made.kind === 'run'
      ? made.id
      : '';
}

/** Reads an address; `running` tells whether there is a benchmark to show live. */
export function shownAt(path: string, running: boolean): Shown {
  const parts = path.startsWith(`${BASE}/`)
    ? path
        .slice(BASE.length + 1)
        .split('/')
        .map(decoded)
    : [];
  const [first = '', second = '', third = ''] = parts;
  if (first === '') return { view: 'list' };
  if (first === 'new') return { view: 'form' };
  if (first === 'live') return running ? { view: 'live' } : { view: 'list' };
  if (first === 'plans') return { view: 'plans', id: second || null };
  if (first === 'cost' && second === 'job' && third) return { view: 'cost', id: null, job: third };
  if (first === 'cost' && second) return { view: 'cost', id: second === 'new' ? null : second, job: null };
  if (first === 'compare' && second && third) return { view: 'compare', a: second, b: third };
  if ((first === 'comparison' || first === 'knee' || first === 'history') && second) return { view: first, id: second };
  return parts.length === 1 ? { view: 'run', id: first } : { view: 'list' };
}

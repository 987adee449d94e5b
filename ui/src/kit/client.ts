// What a screen asks of the engine, in one small interface, and what it does with the answers.
import type { Commands } from '../backend/gen/commands';
import type { Columns, JobStatus } from '../backend/types';

export interface ApiProblem {
  message: string;
  hint: string | null;
}

/** Commands that answer binary columns. */
export type Drawn = { [K in keyof Commands]: Commands[K]['res'] extends Columns ? K : never }[keyof Commands];
/** Commands that answer JSON. */
export type Answering = Exclude<keyof Commands, Drawn>;

export interface Client {
  rpc<K extends Answering>(name: K, params: Commands[K]['req']): Promise<Commands[K]['res']>;
  columns<K extends Drawn>(name: K, params: Commands[K]['req']): Promise<Columns>;
}

/** Any thrown value as a message and a hint. */
export function problem(error: unknown): ApiProblem {
  if (typeof error === 'object' && error !== null && 'message' in error) {
    const e = error as { message: unknown; hint?: unknown };
    return { message: String(e.message), hint: typeof e.hint === 'string' && e.hint !== '' ? e.hint : null };
  }
  return { message: String(error), hint: null };
}

/** Time between two looks at a job, in milliseconds. */
const POLL_MS = 400;

/** Follows a job to its end; `seen` gets each state. Ends without an answer when `stopped` says so. */
export async function follow(
  client: Client,
  first: JobStatus,
  seen: (job: JobStatus) => void,
  stopped: () => boolean,
): Promise<JobStatus | null> {
  let job = first;
  let misses = 0;
  seen(job);
  while (job.state === 'running') {
    await new Promise((done) => setTimeout(done, POLL_MS));
    if (stopped()) return null;
    const jobs = await client.rpc('job.list', {}).catch(() => null);
    const found = jobs?.find((j) => j.id === job.id);
    if (found) {
      job = found;
      misses = 0;
      seen(job);
    } else if (jobs && (misses += 1) > 5) {
      throw { message: 'The job is no longer known', hint: 'Its result, if it has one, is in the list' };
    }
  }
  return job;
}

/** Copies text; says whether it worked. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.style.position = 'fixed';
    area.style.opacity = '0';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

/** Offers a file for download. */
export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const a = document.createElement('a');
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

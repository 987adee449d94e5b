// The benchmark that runs: begun here or elsewhere, watched to its end.
import type { ScreenApp } from '../../kit/screen';
import { type ApiProblem } from '../../kit/client';
import { follow } from '../../kit/jobs';
import type { JobStatus, RunningBench, RunSpec } from './types';

/** What a watched benchmark came to; `null` when it could not be followed any more. */
export type Ended = (job: JobStatus | null, failure: ApiProblem | null) => Promise<void>;

export class Running {
  current = $state.raw<RunningBench | null>(null);
  #app: ScreenApp;
  #ended: Ended;
  #gone = false;

  constructor(app: ScreenApp, ended: Ended) {
    this.#app = app;
    this.#ended = ended;
  }

  /** Whether the screen was left. */
  get gone(): boolean {
    return this.#gone;
  }

  begun(job: JobStatus, spec: RunSpec): void {
    this.current = { job, spec };
    void this.#watch(job);
  }

  /** Takes up a job whose settings only the engine knows: a plan or a search. */
  async started(job: JobStatus): Promise<boolean> {
    const found = await this.#app.rpc('bench.running', {}).catch(() => null);
    if (found?.job.id !== job.id || this.#gone) return false;
    this.begun(job, found.spec);
    return true;
  }

  /** Takes up a benchmark that was started before this screen was opened, here or elsewhere. */
  async adopt(): Promise<void> {
    const found = await this.#app.rpc('bench.running', {}).catch(() => null);
    if (found && !this.current && !this.#gone) this.begun(found.job, found.spec);
  }

  async #watch(job: JobStatus): Promise<void> {
    let ended: JobStatus | null = null;
    let failure: ApiProblem | null = null;
    try {
      ended = await follow(
        this.#app,
        job,
        (j) => {
          if (this.current?.job.id === j.id) this.current = { ...this.current, job: j };
        },
        () => this.#gone,
      );
    } catch (error) {
      failure = error as ApiProblem;
    }
    if (this.#gone || this.current?.job.id !== job.id) return;
    await this.#ended(ended, failure);
  }

  stop(): Promise<unknown> {
    return this.current ? this.#app.rpc('job.cancel', { id: this.current.job.id }) : Promise.resolve();
  }

  close(): void {
    this.#gone = true;
  }
}

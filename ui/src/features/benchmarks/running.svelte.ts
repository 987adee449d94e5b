// The benchmark that runs: begun here or elsewhere, watched to its end.
import type { ScreenApp } from '../../kit/screen';
import { type ApiProblem } from '../../kit/client';
import { follow } from '../../kit/jobs';
import type { JobStatus, RunningBench } from './types';

/** What a watched benchmark came to; `null` when it could not be followed any more. */
export type Ended = (job: JobStatus | null, failure: ApiProblem | null) => Promise<void>;

export class Running {
  current = $state.raw<RunningBench | null>(null);
  #app: ScreenApp;
  #ended: Ended;
  #gone = false;
  #asked = 0;

  constructor(app: ScreenApp, ended: Ended) {
    this.#app = app;
    this.#ended = ended;
  }

  /** Whether the screen was left. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Takes up a job that was just started; says whether it still runs. */
  async started(job: JobStatus): Promise<boolean> {
    const found = await this.#ask();
    if (found?.job.id !== job.id || this.#gone) return false;
    this.#begun(found);
    return true;
  }

  /** Takes up a benchmark that was started before this screen was opened, here or elsewhere; or the next part of it. */
  async adopt(): Promise<void> {
    const mine = (this.#asked += 1);
    const found = await this.#ask();
    // Answers may overtake each other; the one that was asked for last is the newest.
    if (!found || this.#gone || mine !== this.#asked) return;
    if (!this.current) this.#begun(found);
    else if (this.current.job.id === found.job.id) this.current = { ...found, job: this.current.job };
  }

  #ask(): Promise<RunningBench | null> {
    return this.#app.rpc('bench.running', {}).catch(() => null);
  }
  #begun(found: RunningBench): void {
    if (this.current?.job.id === found.job.id) return;
    this.current = found;
    void this.#watch(found.job);
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

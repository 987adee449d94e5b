// Asking for advice: one job at a time, followed to its end; one that was begun elsewhere is taken up.
import type { AdviseRequest, JobStatus } from '../../../backend/types';
import { problem, type ApiProblem } from '../../../kit/client';
import { follow } from '../../../kit/jobs';
import type { ScreenApp } from '../../../kit/screen';
import { remember } from './queries';

export class Advising {
  job = $state.raw<JobStatus | null>(null);
  sending = $state(false);
  /** Why the last one came to nothing. */
  failure = $state.raw<ApiProblem | null>(null);
  stopped = $state(false);
  readonly busy = $derived(this.job !== null || this.sending);
  #gone = false;

  /** `done` reads the advice again. */
  constructor(
    private readonly app: ScreenApp,
    private readonly environment: string,
    private readonly done: () => Promise<void>,
  ) {}

  async begin(asked: Omit<AdviseRequest, 'environment_id'>): Promise<void> {
    if (this.busy) return;
    [this.sending, this.failure, this.stopped] = [true, null, false];
    if (asked.queries.length > 0) remember(this.app, this.environment, asked.queries);
    try {
      await this.#watch(await this.app.rpc('db.advise', { environment_id: this.environment, ...asked }));
    } catch (error) {
      this.failure = problem(error);
    }
    this.sending = false;
  }

  /** Takes up the one that runs already, such as after a reload. */
  async adopt(): Promise<void> {
    const jobs = await this.app.rpc('job.list', {}).catch(() => []);
    const mine = jobs.find((j) => j.kind === 'advise' && j.state === 'running' && j.environment_id === this.environment);
    if (!mine || this.#gone || this.busy) return;
    await this.#watch(mine).catch((error: unknown) => (this.failure = problem(error)));
  }

  async #watch(first: JobStatus): Promise<void> {
    try {
      const ended = await follow(
        this.app,
        first,
        (job) => (this.job = job),
        () => this.#gone,
      );
      if (!ended) return;
      if (ended.state === 'failed') this.failure = ended.error ?? { message: 'It failed', hint: null };
      this.stopped = ended.state === 'cancelled';
      await this.done();
    } finally {
      this.job = null;
    }
  }

  async stop(): Promise<void> {
    if (!this.job) return;
    await this.app.rpc('job.cancel', { id: this.job.id }).catch((error: unknown) => (this.failure = problem(error)));
  }

  /** The screen was left. */
  close(): void {
    this.#gone = true;
  }
}

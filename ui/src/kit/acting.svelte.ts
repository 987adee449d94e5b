// What is done with a change: sent, followed to its end, stopped. One at a time for each change.
import type { Change, ChangeOffer, JobStatus } from '../backend/types';
import { problem, type ApiProblem } from './client';
import { follow } from './jobs';
import type { ScreenApp } from './screen';

export class Acting {
  /** The job that works on it. */
  job = $state.raw<JobStatus | null>(null);
  /** What is being sent, before there is a job. */
  sending = $state.raw<ChangeOffer | null>(null);
  /** Why the last action failed. */
  failure = $state.raw<ApiProblem | null>(null);
  /** What the last action came to, in words. */
  note = $state('');
  /** Whether another Perfdeck works on it: there is a holder, and no job of ours. */
  elsewhere = $state(false);
  /** Whether something else is being started, before there is a job. */
  starting = $state(false);
  readonly busy = $derived(this.job !== null || this.sending !== null || this.starting);
  #app: ScreenApp;
  #done: () => Promise<void>;
  #gone = false;

  /** `done` reads the change again. */
  constructor(app: ScreenApp, done: () => Promise<void>) {
    this.#app = app;
    this.#done = done;
  }

  /** Does what is offered. `confirm` is the name that the guard asks for, `agree` the text that the change itself does, where they do. */
  async act(change: Change, offer: ChangeOffer, confirm: string | null, agree: string | null = null): Promise<void> {
    if (this.busy) return;
    [this.sending, this.failure, this.note] = [offer, null, ''];
    try {
      if (offer === 'keep' || offer === 'discard') {
        await this.#app.rpc(`changes.${offer}`, { id: change.id });
        await this.#done();
      } else {
        const name = offer === 'apply' || offer === 'finish' ? 'changes.apply' : 'changes.undo';
        await this.#watch(await this.#app.rpc(name, { id: change.id, confirm, agree }));
      }
    } catch (error) {
      this.failure = problem(error);
      // What keeps it from being done may have changed since it was read.
      await this.#done();
    }
    this.sending = null;
  }

  /** Does something else with it that is a job, such as measuring it, and follows that to its end. */
  async run(begin: () => Promise<JobStatus>): Promise<void> {
    if (this.busy) return;
    [this.starting, this.failure, this.note] = [true, null, ''];
    try {
      await this.#watch(await begin());
    } catch (error) {
      this.failure = problem(error);
      await this.#done();
    }
    this.starting = false;
  }

  /** Takes up the job that works on a change that is held, such as one that was begun before a reload. */
  async adopt(change: Change): Promise<void> {
    if (this.busy) return;
    const jobs = await this.#app.rpc('job.list', {}).catch(() => null);
    if (jobs === null || this.#gone || this.busy) return;
    // A job says it without its marks.
    const title = change.title.replaceAll('`', '');
    const mine = jobs.find(
      (j) =>
        (j.kind === 'change' || j.kind === 'prove') &&
        j.state === 'running' &&
        j.environment_id === change.environment_id &&
        (j.title === title || j.title.endsWith(`: ${title}`)),
    );
    this.elsewhere = mine === undefined;
    if (!mine) return;
    try {
      await this.#watch(mine);
    } catch (error) {
      this.failure = problem(error);
    }
  }

  async #watch(first: JobStatus): Promise<void> {
    try {
      const ended = await follow(
        this.#app,
        first,
        (j) => (this.job = j),
        () => this.#gone,
      );
      if (!ended) return;
      if (ended.state === 'failed') this.failure = ended.error ?? { message: 'It failed', hint: null };
      if (ended.state === 'cancelled') this.note = 'It was stopped. What is so now is what the target says.';
      await this.#done();
    } finally {
      this.job = null;
    }
  }

  async stop(): Promise<void> {
    if (!this.job) return;
    try {
      await this.#app.rpc('job.cancel', { id: this.job.id });
    } catch (error) {
      this.failure = problem(error);
    }
  }

  /** The screen was left, or another change is shown. */
  close(): void {
    this.#gone = true;
  }
}

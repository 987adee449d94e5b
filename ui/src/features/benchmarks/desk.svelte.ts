// What the views of the benchmarks share: where they go, what they say, and the benchmark that runs.
import { getContext, setContext } from 'svelte';
import { copyText, problem, type ApiProblem } from '../../kit/client';
import type { ScreenApp } from '../../kit/screen';
import { toasts } from '../../kit/toasts.svelte';
import { MASK } from './form/http';
import { pathTo, placeOf } from './routes';
import { Running } from './running.svelte';
import type { BenchRequest, BenchSpec, JobStatus, Run } from './types';
import { mayStart } from '../../kit/load';

interface Notice {
  text: string;
  action: { label: string; run: () => void };
}

export class Desk {
  /** Why the last action failed; it stays until the next one. */
  failure = $state.raw<ApiProblem | null>(null);
  notice = $state.raw<Notice | null>(null);
  /** A plan's text on its way into the editor. */
  offered = $state.raw<string | null>(null);
  readonly running: Running;

  constructor(readonly app: ScreenApp) {
    this.running = new Running(app, async (job, lost) => {
      const here = app.path === pathTo('live');
      this.running.current = null;
      // The reader may have gone elsewhere meanwhile, and is left there.
      if (this.running.gone) return;
      if (here) this.go(placeOf(job?.result ?? null));
      if (lost) this.failure = problem(lost);
      else if (job?.state === 'failed') this.failure = job.error ?? { message: 'The benchmark failed', hint: null };
      else if (job?.state === 'cancelled' && !job.result) this.say('Benchmark stopped before it measured anything');
    });
  }

  /** Goes to an address below the benchmarks. */
  readonly go = (to = ''): void => this.app.go(pathTo(to));
  readonly back = (): void => {
    this.failure = null;
    this.go();
  };

  /** Says what was done. What offers nothing to do about it passes by and moves nothing. */
  say(text: string, action?: Notice['action']): void {
    if (action) this.notice = { text, action };
    else toasts.show(text);
  }
  private clear(): void {
    [this.notice, this.failure] = [null, null];
  }

  /** Runs `work`; a failure is shown in place and stays until the next one. */
  async attempt<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      this.failure = null;
      return await work();
    } catch (error) {
      this.failure = problem(error);
      return null;
    }
  }

  /** Says what was done, with the way back. */
  undoable(text: string, undo: () => Promise<unknown>): void {
    const run = async (): Promise<void> => {
      await undo();
      this.notice = null;
    };
    this.say(text, { label: 'Undo', run: () => void this.attempt(run) });
  }

  async copy(text: string, what: string): Promise<void> {
    this.say((await copyText(text)) ? `Copied ${what}` : `The system refused the clipboard; ${what} was not copied`);
  }

  /** Opens the form. */
  readonly create = (): void => {
    this.clear();
    this.go('new');
  };
  /** Shows the benchmark that runs. */
  readonly show = async (): Promise<void> => {
    await this.running.adopt();
    this.clear();
    this.go(this.running.current ? 'live' : '');
  };
  /** Opens a plan's text in the editor. */
  readonly edit = (toml: string): void => {
    this.offered = toml;
    this.go('plans');
  };

  /** What a run did, as the form asks for it; null for a plan that no form makes. */
  async asked(run: Run): Promise<BenchSpec | null> {
    if (run.spec.kind === 'http') return run.spec;
    const made = await this.app.rpc('plan.form', { text: run.spec.toml });
    if (made?.kind !== 'sql' && made?.kind !== 'cache') return null;
    return { ...made, pace: { ...made.pace, threads: run.spec.threads } };
  }

  /** Opens the form with what a run did; a plan that no form makes is opened in the editor. */
  async change(run: Run): Promise<void> {
    // A text that is no plan any more is shown where its mistakes are.
    const made = await this.asked(run).catch(() => null);
    this.clear();
    if (made) this.app.go(`${pathTo('new')}?run=${encodeURIComponent(run.id)}`);
    else if (run.spec.kind === 'plan') this.edit(run.spec.toml);
  }

  /** Once more what a run did: at once, unless a guard has a question or a part of it was not stored. */
  async again(run: Run): Promise<void> {
    const spec: BenchSpec = run.spec.kind === 'http' ? run.spec : { kind: 'plan', toml: run.spec.toml, threads: run.spec.threads };
    if (JSON.stringify(spec).includes(MASK)) return this.change(run);
    const asked: BenchRequest = { spec, environment_id: run.environment_id, name: run.name, confirm: null };
    const preview = await this.attempt(() => this.app.rpc('bench.preview', asked));
    if (!preview) return;
    if (!mayStart(preview, '')) return this.change(run);
    const job = await this.attempt(() => this.app.rpc('bench.start', asked));
    if (job) await this.started(job);
  }

  /** Takes up a job whose settings only the engine knows. */
  readonly started = async (job: JobStatus): Promise<void> => {
    this.clear();
    // A short one may have ended by now; the list has its result.
    this.go((await this.running.started(job)) ? 'live' : '');
  };
}

/**
 * Keeps what is shown under the environment that it belongs to: an address may name another one. `null` while that is not known.
 * To be called while a component is made.
 */
export function keepWithin(app: ScreenApp, thing: () => { environment_id: string | null } | null): void {
  $effect(() => {
    const of = thing();
    if (of !== null) app.within(of.environment_id);
  });
}

const KEY = Symbol('desk');
export const provideDesk = (app: ScreenApp): Desk => setContext(KEY, new Desk(app));
export const useDesk = (): Desk => getContext<Desk>(KEY);

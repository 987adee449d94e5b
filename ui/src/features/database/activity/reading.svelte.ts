// The activity of the shown database: of now, read again and again, or as it was at the cursor.
import { untrack } from 'svelte';
import type { DatabaseActivity } from '../../../backend/types';
import { problem, type ApiProblem } from '../../../kit/client';
import { repeated } from '../../../kit/repeated';
import type { ScreenApp } from '../../../kit/screen';

/** Time between two looks, in milliseconds; the engine reads once a second for all who look. */
const LOOK_MS = 2000;
/** Rest before what was so at the cursor is asked, in milliseconds: a pointer passes by faster. */
const REST_MS = 120;

export class ActivityReading {
  /** What the sessions do now; null before the first answer. */
  now = $state.raw<DatabaseActivity | null>(null);
  /** Why the last look failed; what was seen before stays. */
  failure = $state.raw<ApiProblem | null>(null);
  /** What they did at the cursor; null where nothing is kept of that time, undefined while it is asked. */
  then = $state.raw<DatabaseActivity | null | undefined>(undefined);
  #app: ScreenApp;
  #environment: () => string | null;

  /** Looks while a component is there: at `environment`, and at the moment `at` beside it. */
  constructor(app: ScreenApp, environment: () => string | null, at: () => number | null) {
    this.#app = app;
    this.#environment = environment;
    $effect(() => {
      const id = environment();
      if (id === null) return;
      return untrack(() => this.#watch(id));
    });
    $effect(() => {
      const [id, ms] = [environment(), at()];
      this.then = undefined;
      if (id === null || ms === null) return;
      const rest = setTimeout(() => void this.#ask(id, ms), REST_MS);
      return () => clearTimeout(rest);
    });
  }

  #watch(id: string): () => void {
    [this.now, this.failure] = [null, null];
    return repeated(() => this.look(id), LOOK_MS);
  }

  /** Looks once. */
  async look(id = this.#environment()): Promise<void> {
    if (id === null) return;
    try {
      const found = await this.#app.rpc('db.activity', { environment_id: id, at_ms: null });
      if (id === this.#environment()) [this.now, this.failure] = [found, null];
    } catch (error) {
      if (id === this.#environment()) this.failure = problem(error);
    }
  }

  async #ask(id: string, ms: number): Promise<void> {
    let found: DatabaseActivity | null = null;
    try {
      found = await this.#app.rpc('db.activity', { environment_id: id, at_ms: ms });
    } catch {
      // Of a server that cannot be read now what was kept may still be gone: that is said as such.
    }
    if (id === this.#environment()) this.then = found;
  }
}

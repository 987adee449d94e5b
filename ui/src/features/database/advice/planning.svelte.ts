// Planning a change from what is listed: the target is asked whether it can be done, and nothing is altered.
import type { ChangeDetail, IndexSpec } from '../../../backend/types';
import { problem, type ApiProblem } from '../../../kit/client';
import type { ScreenApp } from '../../../kit/screen';
import type { Way } from './findings';

export class Planning {
  busy = $state(false);
  failure = $state.raw<ApiProblem | null>(null);

  /** `done` reads the changes again. */
  constructor(
    private readonly app: ScreenApp,
    private readonly environment: string,
    private readonly done: () => Promise<void>,
  ) {}

  index(index: IndexSpec, adviceId: string): Promise<void> {
    return this.#plan(() => this.app.rpc('db.plan_index', { environment_id: this.environment, index, advice_id: adviceId }));
  }

  way({ kind, object }: Way): Promise<void> {
    return this.#plan(() => this.app.rpc('changes.plan', { kind, environment_id: this.environment, object }));
  }

  async #plan(ask: () => Promise<ChangeDetail>): Promise<void> {
    if (this.busy) return;
    [this.busy, this.failure] = [true, null];
    try {
      await ask();
      await this.done();
    } catch (error) {
      this.failure = problem(error);
    }
    this.busy = false;
  }
}

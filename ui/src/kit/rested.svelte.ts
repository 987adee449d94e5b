// An answer about what is being entered.
import { problem, type ApiProblem } from './client';

/** Usual rest of the keys before it is asked for, in milliseconds. */
const REST_MS = 250;

/** Asks once the keys rest, and is never overtaken by an older answer. To be closed when nobody is shown it any more. */
export class Rested<Q, A> {
  answer = $state.raw<A | null>(null);
  failure = $state.raw<ApiProblem | null>(null);
  /** Whether what is entered now was not answered yet. */
  stale = $state(true);
  #ask: (question: Q) => Promise<A>;
  #restMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #turn = 0;

  constructor(ask: (question: Q) => Promise<A>, restMs = REST_MS) {
    this.#ask = ask;
    this.#restMs = restMs;
  }

  /** Asks soon; nothing where the question is not complete. An answer to another question stays until then, and is stale. */
  soon(question: Q | null): void {
    this.close();
    this.stale = true;
    if (question === null) [this.answer, this.failure] = [null, null];
    else this.#timer = setTimeout(() => void this.#now(question), this.#restMs);
  }

  async #now(question: Q): Promise<void> {
    const mine = this.#turn;
    try {
      const answer = await this.#ask(question);
      if (mine === this.#turn) [this.answer, this.failure, this.stale] = [answer, null, false];
    } catch (error) {
      if (mine === this.#turn) [this.answer, this.failure, this.stale] = [null, problem(error), false];
    }
  }

  /** Asks no more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#turn += 1;
  }
}

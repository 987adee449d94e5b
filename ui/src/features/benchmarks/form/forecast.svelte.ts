// What would happen if a benchmark were started: where its load goes, what guards it, what it could tell.
import { problem, type ApiProblem, type Client } from '../../../kit/client';
import { Rested } from '../../../kit/rested.svelte';
import type { BenchPreview, DuetRequest } from '../types';
import { bothSides } from '../words';
import type { Asked } from './asking.svelte';

interface Answer {
  a: BenchPreview | null;
  b: BenchPreview | null;
  refused: string | null;
  decides: string;
  failure: ApiProblem | null;
  side: 'a' | 'b';
}
const NONE: Answer = { a: null, b: null, refused: null, decides: '', failure: null, side: 'a' };

export class Forecast {
  #client: Client;
  #rested = new Rested((of: Asked | DuetRequest) => this.#ask(of));
  readonly #answer = $derived(this.#rested.answer ?? NONE);
  readonly a = $derived(this.#answer.a);
  /** That of B, of a duet of two sides. */
  readonly b = $derived(this.#answer.b);
  /** Metrics that decide a duet. */
  readonly decides = $derived(this.#answer.decides);
  /** Why a duet would be refused. */
  readonly refused = $derived(this.#answer.refused);
  readonly failure = $derived(this.#answer.failure);
  /** Which side of a duet failed. */
  readonly side = $derived(this.#answer.side);
  /** What the guards say to all of it. */
  readonly preview = $derived(this.a && (this.b ? bothSides(this.a, this.b) : this.a));

  constructor(client: Client) {
    this.#client = client;
  }

  /** Asks once the keys rest; nothing where what is asked for is not complete. */
  soon(of: Asked | DuetRequest | null): void {
    this.#rested.soon(of);
  }

  /** What would happen; a failure is an answer too, of one of the sides. */
  async #ask(of: Asked | DuetRequest): Promise<Answer> {
    try {
      if ('pairs' in of) {
        const { a, b, problem: refused, decides } = await this.#client.rpc('duet.preview', of);
        return { ...NONE, a, b: of.noise ? null : b, refused, decides };
      }
      const request = { spec: of.spec, environment_id: of.environment?.id ?? null, name: null, confirm: null };
      return { ...NONE, a: await this.#client.rpc('bench.preview', request) };
    } catch (error) {
      const side = 'pairs' in of && !of.noise ? await this.#sideOf(of) : 'a';
      return { ...NONE, failure: problem(error), side };
    }
  }

  /** The side that would be refused alone. */
  async #sideOf({ a }: DuetRequest): Promise<'a' | 'b'> {
    const alone = { spec: a.spec, environment_id: a.environment_id, name: null, confirm: null };
    return this.#client.rpc('bench.preview', alone).then(
      () => 'b',
      () => 'a',
    );
  }

  close(): void {
    this.#rested.close();
  }
}

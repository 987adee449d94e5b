// What would happen if a benchmark were started: where its load goes, what guards it, what it could tell.
import { problem, type ApiProblem, type Client } from '../../../kit/client';
import type { BenchPreview, DuetRequest } from '../types';
import { bothSides } from '../words';
import type { Asked } from './asking.svelte';

/** Rest of the keys before the engine is asked, in milliseconds. */
const REST_MS = 250;

export class Forecast {
  a = $state.raw<BenchPreview | null>(null);
  /** That of B, of a duet of two sides. */
  b = $state.raw<BenchPreview | null>(null);
  /** Metrics that decide a duet. */
  decides = $state('');
  /** Why a duet would be refused. */
  refused = $state<string | null>(null);
  failure = $state.raw<ApiProblem | null>(null);
  /** Which side of a duet failed. */
  side = $state<'a' | 'b'>('a');
  /** What the guards say to all of it. */
  readonly preview = $derived(this.a && (this.b ? bothSides(this.a, this.b) : this.a));
  /** Whether what is asked now was not answered yet. */
  stale = $state(true);
  #client: Client;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Asks once the keys rest; nothing where what is asked for is not complete. */
  soon(of: Asked | DuetRequest | null): void {
    clearTimeout(this.#timer);
    this.#asked += 1;
    this.stale = true;
    if (of === null) [this.a, this.b, this.refused, this.decides, this.failure] = [null, null, null, '', null];
    else this.#timer = setTimeout(() => void this.#now(of), REST_MS);
  }

  async #now(of: Asked | DuetRequest): Promise<void> {
    const mine = this.#asked;
    try {
      if ('pairs' in of) {
        const found = await this.#client.rpc('duet.preview', of);
        if (mine !== this.#asked) return;
        [this.a, this.b, this.refused, this.decides] = [found.a, of.noise ? null : found.b, found.problem, found.decides];
      } else {
        const request = { spec: of.spec, environment_id: of.environment?.id ?? null, name: null, confirm: null };
        const found = await this.#client.rpc('bench.preview', request);
        if (mine !== this.#asked) return;
        [this.a, this.b, this.refused, this.decides] = [found, null, null, ''];
      }
      [this.failure, this.stale] = [null, false];
    } catch (error) {
      const side = 'pairs' in of && !of.noise ? await this.#sideOf(of) : 'a';
      if (mine !== this.#asked) return;
      [this.a, this.b, this.refused, this.decides, this.failure, this.stale] = [null, null, null, '', problem(error), false];
      this.side = side;
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
    clearTimeout(this.#timer);
    this.#asked += 1;
  }
}

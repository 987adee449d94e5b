// A plan's text while it is written: what is wrong with it, and what would happen if it were started.
import { problem, type ApiProblem, type Client } from '../../../kit/client';
import type { BenchPreview, DuetRequest, PlanCheck } from '../types';
import { bothSides } from '../words';
import { lineOf } from './editing';

/** Rest of the keys before a text is checked, in milliseconds. */
const REST_MS = 300;

export class Checked {
  check = $state.raw<PlanCheck | null>(null);
  preview = $state.raw<BenchPreview | null>(null);
  /** Why it could not be checked, or what keeps it from being started. */
  failure = $state.raw<ApiProblem | null>(null);
  /** Whether the text has changed since it was checked. */
  stale = $state(true);
  #client: Client;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;
  #text = '';

  readonly problems = $derived.by(() =>
    (this.check?.problems ?? [])
      .map((found) => ({ problem: found, line: lineOf(this.#text, found) }))
      .sort((a, b) => Number(b.problem.error) - Number(a.problem.error)),
  );
  readonly marks = $derived.by((): ReadonlyMap<number, 'bad' | 'warn'> => {
    const found = new Map<number, 'bad' | 'warn'>();
    for (const p of [...this.problems].reverse()) if (p.line !== null) found.set(p.line, p.problem.error ? 'bad' : 'warn');
    return found;
  });

  constructor(client: Client) {
    this.#client = client;
  }

  /** Checks a text once the keys rest; `duet` is what is asked for where it is compared. */
  soon(text: string, environment: string | null, duet: DuetRequest | null = null): void {
    clearTimeout(this.#timer);
    this.stale = true;
    this.#timer = setTimeout(() => void this.now(text, environment, duet), REST_MS);
  }

  /** Checks a text at once; says whether it can be run. */
  async now(text: string, environment: string | null, duet: DuetRequest | null = null): Promise<boolean> {
    clearTimeout(this.#timer);
    const mine = (this.#asked += 1);
    const current = (): boolean => mine === this.#asked;
    try {
      const check = await this.#client.rpc('plan.check', { text });
      if (!current()) return false;
      this.#text = text;
      [this.check, this.stale, this.failure] = [check, false, null];
      if (!check.ok) {
        this.preview = null;
        return false;
      }
      const preview = duet === null ? await this.#run(text, environment) : await this.#pairs(duet);
      if (!current()) return false;
      this.preview = preview;
      return true;
    } catch (error) {
      if (current()) [this.preview, this.failure, this.stale] = [null, problem(error), false];
      return false;
    }
  }

  #run(toml: string, environment: string | null): Promise<BenchPreview> {
    const spec = { kind: 'plan' as const, toml, threads: null };
    return this.#client.rpc('bench.preview', { spec, environment_id: environment, name: null, confirm: null });
  }

  /** Both sides as one; why the duet would be refused stands before what either side says. */
  async #pairs(duet: DuetRequest): Promise<BenchPreview> {
    const { a, b, problem: refused } = await this.#client.rpc('duet.preview', duet);
    const both = bothSides(a, b);
    return { ...both, problem: refused ?? both.problem };
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#asked += 1;
  }
}

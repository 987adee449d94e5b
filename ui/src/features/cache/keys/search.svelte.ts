// A search for keys: page after page until enough were found, somebody stops it, or all were looked through.
import type { CacheBytes, CacheKey, KeyPage, KeyRow, KeySearch, KeysMissing } from '../../../backend/types';
import { problem, type ApiProblem } from '../../../kit/client';
import type { ScreenApp } from '../../../kit/screen';
import { idOf } from './names';

/** Keys after which a search waits to be continued. */
export const STEP = 500;
/** Most keys that are held. */
export const MOST = 50_000;
/** Time between two drawings of a list that grows, in milliseconds. */
const DRAW_MS = 300;

export interface Row extends KeyRow {
  id: string;
  /** What became of it here. */
  edited?: 'edited' | 'gone';
}

export interface Asked {
  environment: string;
  search: KeySearch;
  /** The one name that is looked for; its key is asked for, and nothing is looked through. */
  exact: CacheBytes | null;
}

export class Search {
  /** Null before the first answer. */
  rows = $state.raw<readonly Row[] | null>(null);
  running = $state(false);
  /** Whether everything was looked through. */
  complete = $state(false);
  /** Share of the keys that was looked through; null where that cannot be told. */
  progress = $state<number | null>(null);
  /** Keys in the database; null before it was said, and where it was not. */
  all = $state<number | null>(null);
  missing = $state.raw<readonly KeysMissing[]>([]);
  failure = $state.raw<ApiProblem | null>(null);
  /** Time for which it has looked, in milliseconds. */
  spentMs = $state(0);
  asked = $state.raw<Asked | null>(null);
  #app: Pick<ScreenApp, 'rpc'>;
  #turn = 0;
  #next: string | null = null;
  #fresh: Row[] = [];
  #ids = new Set<string>();

  constructor(app: Pick<ScreenApp, 'rpc'>) {
    this.#app = app;
  }

  /** Keys that were looked through; null where that cannot be told. */
  readonly looked = $derived.by(() =>
    this.progress === null || this.all === null
      ? null
      : Math.min(this.all, Math.max(this.rows?.length ?? 0, Math.round(this.progress * this.all))),
  );
  readonly full = $derived.by(() => (this.rows?.length ?? 0) >= MOST);

  begin(asked: Asked): void {
    this.#turn += 1;
    [this.asked, this.rows, this.complete, this.progress, this.all] = [asked, null, false, null, null];
    [this.missing, this.failure, this.spentMs] = [[], null, 0];
    [this.#next, this.#fresh, this.#ids] = [null, [], new Set()];
    void (asked.exact === null ? this.#walk(STEP) : this.#one(asked, asked.exact));
  }

  /** Goes on from where it stopped: to the next keys, or as far as it goes. */
  more(all = false): void {
    if (!this.running && !this.complete && this.asked?.exact === null) void this.#walk(all ? MOST : this.#ids.size + STEP);
  }

  /** Stops; what was found stays. */
  stop(): void {
    this.#turn += 1;
    this.#put();
    this.running = false;
  }

  /** Takes what is known of a key by now; null where it is there no more. `edited` says whether that was done here. */
  take(name: CacheBytes, key: CacheKey | null, edited: boolean): void {
    const id = idOf(name);
    const now = ({ edited: _, ...row }: Row): Row =>
      key === null
        ? { ...row, edited: 'gone' }
        : { ...row, kind: key.kind, ttl: key.ttl, bytes: key.bytes, ...(edited ? { edited: 'edited' as const } : {}) };
    this.rows = this.rows?.map((row) => (row.id === id ? now(row) : row)) ?? null;
  }

  #put(): void {
    if (this.#fresh.length > 0 || this.rows === null) this.rows = [...(this.rows ?? []), ...this.#fresh];
    this.#fresh = [];
  }

  #took(page: KeyPage): void {
    for (const row of page.rows) {
      const id = idOf(row.name);
      // While a server resizes its table a key may come twice.
      if (this.#ids.has(id) || this.#ids.size >= MOST) continue;
      this.#ids.add(id);
      this.#fresh.push({ ...row, id });
    }
    this.#next = page.next;
    this.progress = page.progress;
    // A server that may not be asked counts as none.
    this.all = page.database_keys > 0 || this.#ids.size === 0 ? page.database_keys : null;
    this.missing = page.missing.reduce((known, one) => merged(known, one), this.missing);
  }

  async #walk(until: number): Promise<void> {
    const asked = this.asked;
    if (asked === null) return;
    const mine = ++this.#turn;
    [this.running, this.failure] = [true, null];
    const began = performance.now() - this.spentMs;
    let drawn = 0;
    try {
      for (;;) {
        const page = await this.#app.rpc('cache.keys', { environment_id: asked.environment, search: asked.search, after: this.#next });
        if (mine !== this.#turn) return;
        this.#took(page);
        const at = performance.now();
        this.spentMs = at - began;
        if (page.next === null) this.complete = true;
        if (page.next === null || this.#ids.size >= until) break;
        if (at - drawn < DRAW_MS) continue;
        drawn = at;
        this.#put();
      }
    } catch (error) {
      if (mine !== this.#turn) return;
      this.failure = problem(error);
    }
    if (this.failure === null || this.#ids.size > 0) this.#put();
    this.running = false;
  }

  async #one(asked: Asked, name: CacheBytes): Promise<void> {
    const mine = ++this.#turn;
    [this.running, this.failure] = [true, null];
    try {
      const key = await this.#app.rpc('cache.key', { environment_id: asked.environment, key: name });
      if (mine !== this.#turn) return;
      this.rows = [{ id: idOf(name), name, kind: key.kind, ttl: key.ttl, bytes: key.bytes }].filter((row) => fits(row, asked.search));
      this.complete = true;
    } catch (error) {
      if (mine !== this.#turn) return;
      if ((error as { code?: string }).code === 'not_found') [this.rows, this.complete] = [[], true];
      else this.failure = problem(error);
    }
    this.running = false;
  }
}

/** One line for each server and reason. */
function merged(known: readonly KeysMissing[], one: KeysMissing): readonly KeysMissing[] {
  const at = known.findIndex((k) => k.node === one.node && k.error.message === one.error.message);
  if (at < 0) return [...known, one];
  const keys = known[at]!.keys === null || one.keys === null ? null : known[at]!.keys! + one.keys;
  return known.map((k, i) => (i === at ? { ...k, keys } : k));
}

/** Whether a key is what a search asks for, its name apart. */
export function fits(row: KeyRow, { kind, ttl, min_bytes, max_bytes }: KeySearch): boolean {
  if (kind !== null && row.kind !== kind) return false;
  if (min_bytes !== null && (row.bytes ?? 0) < min_bytes) return false;
  if (max_bytes !== null && (row.bytes ?? Infinity) > max_bytes) return false;
  if (ttl === null) return true;
  if (ttl === 'never') return row.ttl === 'never';
  if (typeof row.ttl === 'string') return false;
  return row.ttl.in_ms >= (ttl.within.from_ms ?? 0) && row.ttl.in_ms <= (ttl.within.to_ms ?? Infinity);
}

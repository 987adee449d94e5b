// The value of a key as far as it was asked for: its first page unasked, at most 64 kB, and further ones when somebody asks.
import type { CacheBytes, Decoded, StreamGroup, ValueAt, ValueBytes, ValuePage } from '../../../backend/types';
import { problem, type ApiProblem } from '../../../kit/client';
import type { ScreenApp } from '../../../kit/screen';
import { bytesOf } from './names';
import { ASKED, isWhole, itemsOf, joined, whereOf, type Item } from './value';

/** Pages that one press asks for. */
const AT_ONCE = 5;
/** Most parts that are held. */
export const MOST_ITEMS = 20_000;

/** Bytes as far as they were fetched. */
export interface Bytes {
  value: ValueBytes;
  decoded: Decoded | null;
}

export class Reading {
  kind = $state<string | null>(null);
  /** Of a string. */
  bytes = $state.raw<Bytes | null>(null);
  /** Of what has parts; null before they are known. */
  items = $state.raw<readonly Item[] | null>(null);
  fieldTtls = $state(false);
  groups = $state.raw<readonly StreamGroup[]>([]);
  groupCount = $state(0);
  /** Of an unknown type. */
  dump = $state.raw<CacheBytes | null>(null);
  /** Whether there is more than what is here. */
  rest = $state(false);
  busy = $state(false);
  failure = $state.raw<ApiProblem | null>(null);
  /** Whether the key is there no more. */
  gone = $state(false);
  readMs = $state<number | null>(null);
  #turn = 0;
  #next: string | null = null;

  constructor(
    private readonly app: Pick<ScreenApp, 'rpc'>,
    private readonly environment_id: string,
    private readonly key: CacheBytes,
  ) {}

  #ask(at: ValueAt | null, most: number | null): Promise<ValuePage> {
    return this.app.rpc('cache.value', { environment_id: this.environment_id, key: this.key, at, most_bytes: most });
  }

  /** Reads its beginning anew. */
  async begin(): Promise<void> {
    const mine = ++this.#turn;
    [this.busy, this.failure] = [true, null];
    try {
      const page = await this.#ask(null, null);
      if (mine !== this.#turn) return;
      this.gone = false;
      const { part } = page;
      [this.kind, this.readMs, this.#next, this.rest] = [page.kind, page.read_ms, page.next, page.next !== null];
      this.bytes = part.type === 'string' ? { value: part.value, decoded: part.decoded } : null;
      this.items = part.type === 'string' || part.type === 'unknown' || part.type === 'one' ? null : unique([], itemsOf(part));
      this.dump = part.type === 'unknown' ? part.dump : null;
      this.fieldTtls = part.type === 'hash' && part.field_ttls;
      [this.groups, this.groupCount] = part.type === 'stream' ? [part.groups, part.group_count] : [[], 0];
    } catch (error) {
      if (mine === this.#turn) [this.failure, this.gone] = [problem(error), (error as { code?: string }).code === 'not_found'];
    }
    if (mine === this.#turn) this.busy = false;
  }

  /** Reads on: some pages, or as many as are held. */
  async more(all = false): Promise<void> {
    if (this.busy || this.#next === null) return;
    const mine = ++this.#turn;
    [this.busy, this.failure] = [true, null];
    try {
      let items = this.items ?? [];
      for (let n = 0; (all || n < AT_ONCE) && this.#next !== null && items.length < MOST_ITEMS; n += 1) {
        const page = await this.#ask({ next: this.#next }, null);
        if (mine !== this.#turn) return;
        this.#next = page.next;
        items = unique(items, itemsOf(page.part));
      }
      [this.items, this.rest] = [items, this.#next !== null];
    } catch (error) {
      if (mine === this.#turn) this.failure = problem(error);
    }
    if (mine === this.#turn) this.busy = false;
  }

  /** Reads on in a string: 64 kB more, or all of it as far as that may be asked for. */
  async moreBytes(all: boolean): Promise<void> {
    const known = this.bytes;
    if (this.busy || known === null) return;
    const mine = ++this.#turn;
    [this.busy, this.failure] = [true, null];
    try {
      const from = all ? 0 : bytesOf(known.value.bytes).length;
      const { part } = await this.#ask({ bytes: from }, all ? Math.min(ASKED, known.value.length) : null);
      if (mine !== this.#turn) return;
      if (part.type === 'string') {
        const bytes = from === 0 ? part.value.bytes : joined(known.value.bytes, part.value.bytes);
        this.bytes = {
          value: { ...part.value, bytes, reads_as: from === 0 ? part.value.reads_as : known.value.reads_as },
          decoded: part.decoded,
        };
      }
    } catch (error) {
      if (mine === this.#turn) this.failure = problem(error);
    }
    if (mine === this.#turn) this.busy = false;
  }

  /** One part, whole where 64 kB are enough or all of it was asked for. What no server tells alone is as it was listed. */
  async one(item: Item, all = false): Promise<Bytes | null> {
    const listed = item.value ?? item.name;
    const at = whereOf(item);
    if (listed === null) return null;
    const plain = isWhole(listed) && (listed.reads_as === 'text' || listed.reads_as === 'number' || listed.length === 0);
    if (at === null || (plain && !all)) return { value: listed, decoded: null };
    const { part } = await this.#ask(at, all ? ASKED : null);
    return part.type === 'one' ? { value: part.value, decoded: part.decoded } : null;
  }

  /** Nobody is shown it any more. */
  close(): void {
    this.#turn += 1;
  }
}

/** What a server gives twice while it resizes a table is listed once. */
function unique(known: readonly Item[], more: readonly Item[]): readonly Item[] {
  const ids = new Set(known.map((item) => item.id));
  return [...known, ...more.filter(({ id }) => !ids.has(id) && ids.add(id))];
}

// Edits of keys that were planned: each is a change, with its names and values while they can be read; and what clashed with another client.
import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import type { CacheBytes, Change, EditView, KeyEdit, ValueAt } from '../../../backend/types';
import { groupOf } from '../../../kit/changes/group';
import { problem, type ApiProblem } from '../../../kit/client';
import { resource, type Resource } from '../../../kit/resource.svelte';
import type { ScreenApp } from '../../../kit/screen';
import { seenBy } from './drafts';
import { ASKED } from './value';

const KIND = 'cache_edit';
/** Those that are done are shown up to this many; the screen Changes has all. */
const DONE = 4;

/** An edit that another client was faster than; nothing of it was written. */
export interface Clash {
  key: CacheBytes;
  edit: KeyEdit;
  /** What is there now; null where nothing is. */
  theirs: CacheBytes | null;
  /** Whether that was read. */
  read: boolean;
}
interface Planned {
  key: CacheBytes;
  edit: KeyEdit;
}

const code = (error: unknown): string => (error as { code?: string }).code ?? '';

/** What is listed, the newest first: what waits, and the newest of what was done, in this visit first of all. */
export function listed(changes: readonly Change[], seen: ReadonlySet<string>): { rows: Change[]; more: number } {
  const mine = changes.filter((c) => c.kind === KIND);
  const waits = mine.filter((c) => groupOf(c) === 'planned' || c.state === 'cut_off' || c.held);
  const done = mine.filter((c) => !waits.includes(c) && (seen.has(c.id) || groupOf(c) === 'in force'));
  done.sort((a, b) => Number(seen.has(b.id)) - Number(seen.has(a.id)) || b.updated_ms - a.updated_ms);
  // By when they were planned: no row moves under a pointer because another one was applied.
  const rows = [...waits, ...done.slice(0, DONE)].sort((a, b) => b.created_ms - a.created_ms);
  return { rows, more: Math.max(0, done.length - DONE) };
}

export class Edits {
  readonly list: Resource<Change[]>;
  busy = $state(false);
  failure = $state.raw<ApiProblem | null>(null);
  clash = $state.raw<Clash | null>(null);
  /** The change that is shown whole. */
  open = $state<string | null>(null);
  /** Names and values of changes; null where they can be read no more. */
  readonly views = new SvelteMap<string, EditView | null>();
  readonly #seen = new SvelteSet<string>();
  readonly #planned = new Map<string, Planned>();
  /** The one that was planned last, until it has the focus. */
  #fresh: string | null = null;
  readonly shown = $derived.by(() => listed(this.list.value ?? [], this.#seen));

  /** To be made while a component is made. */
  constructor(
    private readonly app: ScreenApp,
    private readonly environment: () => string | null,
  ) {
    const ask = (): { environment_id: string } | null => {
      const id = environment();
      return id === null ? null : { environment_id: id };
    };
    this.list = resource(app, 'changes.list', ask, ['changes']);
  }

  /** What was planned here of a change. */
  plannedOf = (id: string): Planned | null => this.#planned.get(id) ?? null;

  /** Plans an edit; says whether it is out of its form: planned, or a clash, since another client wrote meanwhile. Nothing is written. */
  async plan(key: CacheBytes, edit: KeyEdit): Promise<boolean> {
    const environment_id = this.environment();
    if (environment_id === null || this.busy) return false;
    [this.busy, this.failure, this.clash] = [true, null, null];
    try {
      const { detail, edit: view } = await this.app.rpc('cache.plan_edit', { environment_id, key, edit });
      const { id } = detail.change;
      this.#seen.add(id);
      this.#planned.set(id, { key, edit });
      this.views.set(id, view);
      this.#fresh = id;
      await this.list.reload();
      this.open = id;
      return true;
    } catch (error) {
      if (code(error) !== 'conflict' || seenBy(edit) === null) {
        this.failure = problem(error);
        return false;
      }
      this.clash = await this.#there(environment_id, key, edit);
      return true;
    } finally {
      this.busy = false;
    }
  }

  /** Whether it was planned a moment ago; said once. */
  fresh(id: string): boolean {
    const is = this.#fresh === id;
    if (is) this.#fresh = null;
    return is;
  }

  /** Whether another client was faster than it. */
  clashes(change: Change): boolean {
    return this.views.get(change.id)?.state === 'changed' && (change.state === 'failed' || groupOf(change) === 'planned');
  }

  /** Reads names and values of a change, and what is there now. */
  async look(id: string): Promise<void> {
    try {
      this.views.set(id, (await this.app.rpc('cache.edit', { id })).edit);
    } catch {
      // Its title says what can be said without them.
      if (!this.views.has(id)) this.views.set(id, null);
    }
  }

  /** Something was done with it in this visit: it stays in sight. */
  done(id: string): void {
    this.#seen.add(id);
  }
  forget(id: string): void {
    this.#seen.delete(id);
    if (this.open === id) this.open = null;
  }

  async #there(environment_id: string, key: CacheBytes, edit: KeyEdit): Promise<Clash> {
    const at: ValueAt | null | undefined =
      edit.kind === 'set'
        ? null
        : edit.kind === 'set_field' || edit.kind === 'remove_field'
          ? { field: edit.field }
          : edit.kind === 'set_element' || edit.kind === 'remove_element'
            ? { element: edit.index }
            : undefined;
    const unread: Clash = { key, edit, theirs: null, read: false };
    if (at === undefined) return unread;
    try {
      const { part } = await this.app.rpc('cache.value', { environment_id, key, at, most_bytes: ASKED });
      return part.type === 'string' || part.type === 'one' ? { ...unread, theirs: part.value.bytes, read: true } : unread;
    } catch (error) {
      return { ...unread, read: code(error) === 'not_found' };
    }
  }
}

const VERBS: Readonly<Record<string, string>> = { PEXPIRE: 'EXPIRE', PEXPIREAT: 'EXPIREAT', RENAMENX: 'RENAME' };
/** The command of a change. */
export const verbOf = (change: Change): string => {
  const word = change.statement.split(' ')[0] ?? '';
  return VERBS[word] ?? (/^[A-Z]+$/.test(word) ? word : '');
};

// When each environment was opened last in this window: those that are used stand first.
import { backend } from '../backend';
import { inOrder } from './list';
import { now } from './time.svelte';

const KEY = 'recent';
/** Most that are remembered. */
const KEPT = 200;

class Recent {
  #at = $state.raw<Readonly<Record<string, number>>>({});

  /** Reads what was kept. */
  async begin(): Promise<void> {
    const kept = await (await backend()).getPreference(KEY);
    if (typeof kept !== 'object' || kept === null) return;
    this.#at = Object.fromEntries(Object.entries(kept).filter((e): e is [string, number] => typeof e[1] === 'number'));
  }

  /** When it was opened last, in milliseconds since 1970; null where that is not known. */
  of(id: string): number | null {
    return this.#at[id] ?? null;
  }

  opened(id: string, nowMs = now.read()): void {
    const newest = Object.entries({ ...this.#at, [id]: nowMs }).sort(([, a], [, b]) => b - a);
    this.#at = Object.fromEntries(newest.slice(0, KEPT));
    void backend().then((b) => b.setPreference(KEY, this.#at));
  }
}

export const recent = new Recent();

/** Those that were opened last first; the others by name, 9 before 10. */
export const byRecent = <T extends { id: string; name: string }>(list: readonly T[]): T[] =>
  list
    .map((e) => ({ e, at: recent.of(e.id) ?? -1 }))
    .sort((a, b) => b.at - a.at || inOrder(a.e.name, b.e.name))
    .map(({ e }) => e);

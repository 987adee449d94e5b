// What was entered into forms and not saved: kept while the window lives, and asked about before it goes. It stays in memory, for
// it may hold secrets.
import { untrack } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import { toasts } from './toasts.svelte';

/** Has the browser ask before a reload or a close takes away what was entered. */
const ask = (event: BeforeUnloadEvent): void => event.preventDefault();

class Unsaved {
  #kept = new SvelteMap<string, unknown>();

  of<T>(key: string): T | undefined {
    return this.#kept.get(key) as T | undefined;
  }
  has(key: string): boolean {
    return this.#kept.has(key);
  }
  keep(key: string, value: unknown): void {
    this.#kept.set(key, value);
    addEventListener('beforeunload', ask);
  }
  drop(key: string): void {
    this.#kept.delete(key);
    // Only then: a page with such a listener is read anew with every step back in some browsers.
    if (this.#kept.size === 0) removeEventListener('beforeunload', ask);
  }
  /** Forgets all of it. */
  clear(): void {
    for (const key of [...this.#kept.keys()]) this.drop(key);
  }
}
export const unsaved = new Unsaved();

/** What a form has while it is not saved. `key` names its route and what it is of. To be made while a component is made. */
export class Entered<T> {
  /** What was entered here before; undefined where nothing was. */
  readonly before: T | undefined;
  #over = false;
  /** Where it was entered. */
  #address = location.hash;

  constructor(readonly key: string) {
    this.before = untrack(() => unsaved.of<T>(key));
  }

  /** Whether there is something to lose. */
  get dirty(): boolean {
    return unsaved.has(this.key);
  }

  /**
   * Keeps what the form has from now on, for as long as it is not as it began. `clean` says whether it is; null while that is not
   * known.
   */
  watch(now: () => T, clean: () => boolean | null): void {
    $effect(() => {
      const [value, same] = [now(), clean()];
      if (this.#over || same === null) return;
      untrack(() => {
        if (!same) unsaved.keep(this.key, value);
        else if (this.dirty) unsaved.drop(this.key);
      });
    });
  }

  /** It was saved, or it is nothing any more. */
  drop(): void {
    this.#over = true;
    unsaved.drop(this.key);
  }

  /** Gives it up, with a way back to where it was entered: `again` shows the form anew where it is still there. */
  discard(said: string, again: () => void): void {
    const value = unsaved.of<T>(this.key);
    this.drop();
    if (value === undefined) return;
    toasts.show(said, {
      label: 'Undo',
      run: () => {
        unsaved.keep(this.key, value);
        again();
        if (location.hash !== this.#address) location.hash = this.#address;
      },
    });
  }
}

// What a command answers, for as long as a component lives: read, read again when it changed, never overtaken.
import { onMount, untrack } from 'svelte';
import { partOf } from '../backend/frames';
import type { Commands } from '../backend/gen/commands';
import type { Tag } from '../backend/types';
import { problem, type Answering, type ApiProblem } from './client';
import { repeated } from './repeated';
import type { ScreenApp } from './screen';

export interface Resource<T> {
  /** The newest answer; null before the first one, and while other parameters are asked for. */
  readonly value: T | null;
  /** Whether an answer has come; of a command that may answer null, that tells the answer from none. */
  readonly answered: boolean;
  /** Whether an answer is waited for. */
  readonly reading: boolean;
  /** Why the last reading failed; a reading that works takes it away. The last answer stays. */
  readonly error: ApiProblem | null;
  /** Reads again; done when the answer, or its failure, is there. */
  reload(): Promise<void>;
  /** Takes a value that is known before it is read again, such as one that was just changed here. */
  take(value: T): void;
}

type Asking = Pick<ScreenApp, 'rpc' | 'onFrame'>;

/**
 * Reads `name` with what `params` gives, again when that changes, when one of `tags` is told, and every `everyMs` milliseconds while
 * somebody sees the window. `null` asks nothing. To be called while a component is made.
 */
export function resource<K extends Answering>(
  app: Asking,
  name: K,
  params: () => Commands[K]['req'] | null,
  tags: readonly Tag[] = [],
  everyMs: number | null = null,
): Resource<Commands[K]['res']> {
  type Value = Commands[K]['res'];
  let value = $state.raw<Value | null>(null);
  let error = $state.raw<ApiProblem | null>(null);
  let answered = $state(false);
  let reading = $state(0);
  let asked = 0;
  /** Whether the component is gone: nothing is read for nobody, and what it would be asked by is gone with it. */
  let gone = false;
  // Compared as text: an object that is made anew with the same fields asks the same.
  const wanted = $derived(JSON.stringify(params()));

  async function read(): Promise<void> {
    if (gone) return;
    const mine = ++asked;
    const what = untrack(params);
    if (what === null) return;
    // Who reads inside an effect of its own depends on what is asked, not on how many questions are under way.
    untrack(() => (reading += 1));
    try {
      const found = await app.rpc(name, what);
      if (mine === asked) [value, error, answered] = [found, null, true];
    } catch (thrown) {
      if (mine === asked) error = problem(thrown);
    } finally {
      reading -= 1;
    }
  }
  $effect(() => {
    void wanted;
    return untrack(() => {
      [value, error, answered] = [null, null, false];
      if (everyMs !== null && params() !== null) return repeated(read, everyMs);
      void read();
      return undefined;
    });
  });
  onMount(() => {
    const off = app.onFrame((frame) => {
      if (partOf(frame, 'changed')?.some((tag) => tags.includes(tag))) void read();
    });
    return () => {
      gone = true;
      asked += 1;
      off();
    };
  });
  return {
    get value() {
      return value;
    },
    get answered() {
      return answered;
    },
    get reading() {
      return reading > 0;
    },
    get error() {
      return error;
    },
    reload: read,
    take(known) {
      asked += 1;
      [value, answered] = [known, true];
    },
  };
}

// What is chosen on a screen, in the address: a reload, a step back, a link and a second tab show the same.
import { onDestroy } from 'svelte';
import type { ScreenApp } from './screen';

/** Rest between two changes of the address, in milliseconds: browsers refuse many of them a second. */
const REST_MS = 300;

export interface Selection {
  /** What is chosen; null where nothing is. */
  readonly value: string | null;
  /** Chooses; null gives it up. No step in the history. */
  choose(value: string | null): void;
}

/** What the parameter `name` of the address chooses. To be called while a component is made. */
export function selection(app: Pick<ScreenApp, 'param' | 'setParams' | 'path'>, name: string): Selection {
  /** What was chosen and is not in the address yet; arrow keys choose faster than it may change. */
  let waiting = $state.raw<{ value: string | null; path: string } | null>(null);
  let rest: ReturnType<typeof setTimeout> | undefined;
  /** Whether its screen is gone: what an answer that came late would choose is nothing of the next one. */
  let gone = false;

  function write(): void {
    rest = undefined;
    if (waiting === null) return;
    // A parameter belongs to its path; the reader may have gone on.
    if (waiting.path === app.path) app.setParams({ [name]: waiting.value });
    waiting = null;
    rest = setTimeout(write, REST_MS);
  }
  onDestroy(() => {
    gone = true;
    clearTimeout(rest);
  });
  return {
    get value() {
      return waiting?.path === app.path ? waiting.value : app.param(name);
    },
    choose(value) {
      if (gone) return;
      waiting = { value, path: app.path };
      if (rest === undefined) write();
    },
  };
}

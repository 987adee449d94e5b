// Short messages with one action, such as Undo. Errors that matter are shown in place, not here.
import type { Tone } from './outcome';

export interface Said {
  text: string;
  /** How what it tells of turned out, where it tells of that. */
  tone?: Tone;
  action?: { label: string; run: () => void };
}

export interface Toast extends Said {
  id: number;
}

/** At most this many at once; the oldest goes first. */
const SHOWN = 3;

/** Time a message stays, in milliseconds; one with an action stays longer. */
export const STAY_MS = 6_000;
export const STAY_WITH_ACTION_MS = 15_000;

export class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  show(text: string, action?: Toast['action']): number {
    return this.say(action ? { text, action } : { text });
  }

  say(said: Said): number {
    const id = this.#next++;
    const toast: Toast = { id, ...said };
    for (const old of this.list.slice(0, Math.max(0, this.list.length - SHOWN + 1))) this.dismiss(old.id);
    this.list = [...this.list, toast];
    this.resume(id);
    return id;
  }

  dismiss(id: number): void {
    this.hold(id);
    this.list = this.list.filter((t) => t.id !== id);
  }

  /** Keeps a message while the pointer or the focus is on it. */
  hold(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  /** Lets it go in its time again; one that is gone already stays gone. */
  resume(id: number): void {
    this.hold(id);
    const toast = this.list.find((t) => t.id === id);
    if (!toast) return;
    const stays = toast.action ? STAY_WITH_ACTION_MS : STAY_MS;
    this.#timers.set(
      id,
      setTimeout(() => this.dismiss(id), stays),
    );
  }
}

export const toasts = new Toasts();

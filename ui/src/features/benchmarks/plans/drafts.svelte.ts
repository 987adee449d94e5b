// Texts of plans that are not saved yet: kept over navigation and a reload, until they are saved or given up.

const KEY = 'perfdeck.plans.drafts';

/** The draft of a plan that was never saved. */
export const NEW = 'new';

class Drafts {
  #all = $state.raw<Readonly<Record<string, string>>>(read());

  of(id: string): string | undefined {
    return this.#all[id];
  }
  get count(): number {
    return Object.keys(this.#all).length;
  }

  /** Keeps a text; one that is as it was saved is no draft. */
  keep(id: string, text: string, saved: string | null): void {
    if (text === saved || (saved === null && text.trim() === '')) {
      if (id in this.#all) this.drop(id);
    } else if (this.#all[id] !== text) this.#write({ ...this.#all, [id]: text });
  }

  drop(id: string): void {
    this.#write(Object.fromEntries(Object.entries(this.#all).filter(([key]) => key !== id)));
  }

  #write(all: Readonly<Record<string, string>>): void {
    this.#all = all;
    try {
      sessionStorage.setItem(KEY, JSON.stringify(all));
    } catch {
      // Full or switched off: it still lives as long as the window.
    }
  }
}

function read(): Record<string, string> {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as unknown;
    if (typeof found !== 'object' || found === null) return {};
    return Object.fromEntries(Object.entries(found).filter((e): e is [string, string] => typeof e[1] === 'string'));
  } catch {
    return {};
  }
}

export const drafts = new Drafts();

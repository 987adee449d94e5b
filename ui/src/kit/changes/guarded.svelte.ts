// What stands between a change and its target: what its guards say, the name that is typed where they ask for it, the job that works on it.
import { onMount, untrack } from 'svelte';
import type { Change, ChangeDetail } from '../../backend/types';
import { Acting } from '../acting.svelte';
import { resource, type Resource } from '../resource.svelte';
import type { ScreenApp } from '../screen';

/** What is done once the name is typed. */
export interface Armed {
  /** What typing it does, within a sentence, and the words of its button. */
  does: string;
  word: string;
  run: (confirm: string | null, agree: string | null) => unknown;
  /** Whether the text that the change itself asks for is to be typed too. */
  agrees: boolean;
}

interface Of {
  /** Which one is asked about; null asks nothing yet. */
  id: () => string | null;
  /** The same in the list, where it is listed. */
  row: () => Change | null;
  /** Reads the list again. */
  changed: () => Promise<void>;
}

export class Guarded {
  readonly detail: Resource<ChangeDetail>;
  readonly acting: Acting;
  readonly #row: () => Change | null;
  armed = $state.raw<Armed | null>(null);
  typed = $state('');
  /** What was typed of the text that the change itself asks for. */
  agreed = $state('');
  /** The newer one of what the list and what the target said. */
  readonly change = $derived.by((): Change | null => {
    const [row, checked] = [this.#row(), this.detail.value?.change ?? null];
    if (!row || !checked) return row ?? checked;
    const newer = checked.updated_ms > row.updated_ms;
    return newer || (checked.updated_ms === row.updated_ms && (checked.checked_ms ?? 0) > (row.checked_ms ?? 0)) ? checked : row;
  });
  /** What keeps it from being altered now; null while nothing does, or nothing is known. */
  readonly stops = $derived.by((): string | null => this.detail.value?.guard ?? null);
  /** The name that is to be typed; null where none is. */
  readonly name = $derived.by((): string | null => this.detail.value?.confirm ?? null);
  /** The text that it asks for because so much would go; null where it asks for none. */
  readonly agree = $derived.by((): string | null => this.detail.value?.agree ?? null);
  /** Why its last step failed, or what was just asked. */
  readonly failure = $derived.by(() => this.acting.failure ?? this.change?.error ?? null);

  /** To be made while a component is made. */
  constructor(app: ScreenApp, of: Of) {
    const ask = (): { id: string } | null => {
      const id = of.id();
      return id === null ? null : { id };
    };
    const detail = resource(app, 'changes.check', ask, ['environments']);
    const acting = new Acting(app, async () => {
      await Promise.all([of.changed(), detail.reload()]);
    });
    [this.detail, this.acting, this.#row] = [detail, acting, of.row];
    onMount(() => () => acting.close());
    $effect(() => {
      const change = this.change;
      if (change?.held) untrack(() => void acting.adopt(change));
      else acting.elsewhere = false;
    });
    // What may be done with it, and what the guards say, may differ after each of its steps.
    let seen: number | null = null;
    $effect(() => {
      const at = of.row()?.updated_ms ?? null;
      if (seen !== null && at !== seen) untrack(() => void detail.reload());
      seen = at;
    });
  }

  /** Does something with it; where the guards ask for the name, once that is typed. */
  begin(what: Pick<Armed, 'does' | 'word'>, run: Armed['run'], agrees = false): void {
    const asks = agrees && this.agree !== null;
    if (this.name === null && !asks) return void run(null, null);
    [this.armed, this.typed, this.agreed] = [{ ...what, run, agrees: asks }, '', ''];
  }

  /** The name was sent. */
  readonly confirm = (): void => {
    const [armed, name, agree] = [this.armed, this.name, this.agree];
    if (armed === null || (name !== null && this.typed !== name) || (armed.agrees && this.agreed !== agree)) return;
    this.leave();
    void armed.run(name, armed.agrees ? agree : null);
  };

  /** It is left as it is. */
  readonly leave = (): void => {
    [this.armed, this.typed, this.agreed] = [null, '', ''];
  };
}

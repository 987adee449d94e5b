// What is chosen on a screen, for tests of what is shown of it.
import type { Selection } from '../kit/selection.svelte';

export class FakeSelection implements Selection {
  value = $state.raw<string | null>(null);
  readonly choose = (value: string | null): void => {
    this.value = value;
  };
}

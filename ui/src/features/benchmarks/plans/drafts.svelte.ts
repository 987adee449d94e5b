// Texts of plans that are not saved yet: kept over navigation, until they are saved or given up. A text may hold a secret, so that
// it stays in memory.
import { untrack } from 'svelte';
import { unsaved } from '../../../kit/unsaved.svelte';
import { pathTo } from '../routes';

/** The draft of a plan that was never saved. */
export const NEW = 'new';

/** Plans belong to no environment. */
const keyOf = (id: string): string => pathTo(`plans/${id}`);

export const drafts = {
  of: (id: string): string | undefined => unsaved.of<string>(keyOf(id)),

  /** Keeps a text; one that is as it was saved is no draft. */
  keep(id: string, text: string, saved: string | null): void {
    if (text === saved || (saved === null && text.trim() === '')) drafts.drop(id);
    else if (untrack(() => drafts.of(id)) !== text) unsaved.keep(keyOf(id), text);
  },
  drop: (id: string): void => unsaved.drop(keyOf(id)),
};

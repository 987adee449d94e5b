// Runs that belong together: those of a comparison or of a search for the knee stand under it, everywhere.
import type { PartOf } from '../backend/types';

/** One thing, or those of one comparison or search. */
export type Folded<T> = { part: null; item: T } | { part: PartOf; items: T[] };

/** Folds what belongs together; a fold stands where its first one stood. */
export function folded<T>(list: readonly T[], partOf: (item: T) => PartOf | null | undefined): Folded<T>[] {
  const folds = new Map<string, { part: PartOf; items: T[] }>();
  const found: Folded<T>[] = [];
  for (const item of list) {
    const part = partOf(item);
    if (!part) {
      found.push({ part: null, item });
      continue;
    }
    const known = folds.get(part.id);
    if (known) known.items.push(item);
    else {
      const fold = { part, items: [item] };
      folds.set(part.id, fold);
      found.push(fold);
    }
  }
  return found;
}

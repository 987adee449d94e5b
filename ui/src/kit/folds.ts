// Runs that belong together: those of a comparison or of a search for the knee stand under it, everywhere.
import { plural } from './figures';
import { failed, listed } from './outcome';
import type { PartOf, RunSummary, StoredComparison, StoredKnee } from '../backend/types';

/** What a search is called. */
export const kneeName = (knee: Pick<StoredKnee, 'name' | 'slo'>): string => `Knee of ${knee.name} at ${knee.slo}`;

/**
 * What a run is a part of. Runs of earlier versions do not say it themselves: comparisons keep the ids of theirs; a search keeps
 * connections and exact rate of each step, and its runs have a name of their own. A rate of 0 tells none apart.
 */
export function belonging(comparisons: readonly StoredComparison[], knees: readonly StoredKnee[]): (run: RunSummary) => PartOf | null {
  const compared = new Map<string, PartOf>();
  for (const c of comparisons) {
    for (const id of [...c.runs_a, ...c.runs_b]) compared.set(id, { kind: 'comparison', id: c.id, name: c.name });
  }
  const searched = new Map<string, { part: PartOf; created: number }>();
  const step = (environment: string | null, request: string, connections: number, rate: number): string =>
    JSON.stringify([environment, request, connections, rate]);
  for (const k of knees) {
    const found = { part: { kind: 'knee' as const, id: k.id, name: kneeName(k) }, created: k.created_ms };
    for (const { step: s, figures } of k.points) searched.set(step(k.environment_id, k.name, s.concurrency, figures.rate_per_s), found);
  }
  return (run) => {
    const own = run.part_of ?? compared.get(run.id);
    if (own) return own;
    if (run.rate_per_s <= 0 || !/^knee, \d+ connections$/.test(run.name)) return null;
    const found = searched.get(step(run.environment_id, run.request, run.connections, run.rate_per_s));
    return found && run.started_ms <= found.created ? found.part : null;
  };
}

/** How many runs, and what failed in them. Steps of a search are meant to fail at some point: its sentence tells of that. */
export const runsOf = (part: Pick<PartOf, 'kind'>, runs: readonly RunSummary[]): { many: string; amiss: string } => ({
  many: plural(runs.length, 'run'),
  amiss: part.kind === 'knee' ? '' : failed(runs.map(listed)),
});

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

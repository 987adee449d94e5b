// Which baselines a run is, and which it can be held against.
import type { Baseline, RunSummary } from '../types';

/** Names under which a run is kept, oldest first. */
export const namesOf = (baselines: readonly Baseline[], run: string): string[] =>
  baselines
    .filter((b) => b.run_id === run)
    .sort((a, b) => a.created_ms - b.created_ms)
    .map((b) => b.name);

/** Baselines of the same work as a run, the newest first; none where the run's is not known. */
export function comparable(baselines: readonly Baseline[], runs: readonly RunSummary[], run: string): Baseline[] {
  const work = runs.find((r) => r.id === run)?.work;
  return baselines
    .filter((b) => b.run_id !== run && work !== undefined && runs.find((r) => r.id === b.run_id)?.work === work)
    .sort((a, b) => b.created_ms - a.created_ms);
}

/** What is wrong with a baseline's name; `null` when nothing is. */
export function nameFault(name: string): string | null {
  const length = [...name.trim()].length;
  return length === 0 ? 'Enter a name' : length > 80 ? 'At most 80 characters' : null;
}

// Flags in the ruler: one for each run, and one for all runs of a comparison or a search.
import type { RunSummary } from '../../backend/types';
import type { Event } from '../../charts/group';
import { folded, runsOf } from '../../kit/folds';
import { brief } from '../../kit/names';
import { listed, short, toneOf } from '../../kit/outcome';

/** A run's name, and what failed in it. */
function named(run: RunSummary): string {
  const outcome = listed(run);
  return brief(toneOf(outcome) === 'bad' ? `${run.name}: ${short(outcome)}` : run.name);
}

/** At most so many, the newest ones; a fold has its flag where its first run began. */
export const flags = (runs: readonly RunSummary[], most: number): Event[] =>
  folded(runs, (run) => run.part_of)
    .slice(0, most)
    .map((fold) =>
      fold.part === null
        ? { t: fold.item.started_ms, label: named(fold.item) }
        : {
            t: Math.min(...fold.items.map((run) => run.started_ms)),
            label: [brief(fold.part.name), ...Object.values(runsOf(fold.part, fold.items)).filter(Boolean)].join(', '),
          },
    );

// What a report can have in it, and what was chosen of it. The choice is in the address: a link can come with one
// (`/reports/new?comparison=ID&knee=ID&run=ID`, several of a kind with commas; two runs as a comparison are `A:B`).
import { belonging, kneeName } from '../../kit/folds';
import type { ReportRequest, RunSummary, StoredComparison, StoredKnee } from '../../backend/types';

export const KINDS = ['comparison', 'knee', 'run'] as const;
export type Kind = (typeof KINDS)[number];
export type Choice = Record<Kind, readonly string[]>;

/** Most of all kinds together that the engine takes. */
export const MOST = 20;

export const NOTHING: Choice = { comparison: [], knee: [], run: [] };

/** Identifiers in a parameter of the address. */
export const idsOf = (value: string | null): string[] => [...new Set((value ?? '').split(',').filter((id) => id !== ''))];

export const countOf = (choice: Choice): number => KINDS.reduce((sum, kind) => sum + choice[kind].length, 0);

/** Chooses what was not chosen, and the other way round. */
export const toggled = (choice: Choice, kind: Kind, id: string): Choice => ({
  ...choice,
  [kind]: choice[kind].includes(id) ? choice[kind].filter((other) => other !== id) : [...choice[kind], id],
});

/** The parts of a request for a report. */
export const asked = (choice: Choice): Pick<ReportRequest, 'comparison_ids' | 'knee_ids' | 'run_ids'> => ({
  comparison_ids: [...choice.comparison],
  knee_ids: [...choice.knee],
  run_ids: [...choice.run],
});

/** A comparison or a search, with its runs folded under it. */
export interface Offered {
  kind: 'comparison' | 'knee';
  id: string;
  name: string;
  at: number;
  sentence: string;
  runs: RunSummary[];
}

export interface Offer {
  findings: Offered[];
  /** Runs that are no part of a comparison or a search. */
  runs: RunSummary[];
}

/** Two runs that a link holds against each other, `A:B`; not a stored comparison. */
function pairOf(id: string, runs: readonly RunSummary[]): Offered[] {
  const [a, b] = id.split(':').map((one) => runs.find((run) => run.id === one));
  const sentence = 'Two runs held against each other: indicative, no verdict.';
  return a && b ? [{ kind: 'comparison', id, name: `${b.name} against ${a.name}`, at: b.started_ms, sentence, runs: [] }] : [];
}

/** What is offered, the newest first: comparisons and searches with their runs folded under them, then single runs. */
export function offerOf(
  runs: readonly RunSummary[],
  comparisons: readonly StoredComparison[],
  knees: readonly StoredKnee[],
  pairs: readonly string[] = [],
): Offer {
  const partOf = belonging(comparisons, knees);
  const owners = new Map(runs.map((run) => [run.id, partOf(run)?.id ?? null]));
  const under = (id: string): RunSummary[] => runs.filter((run) => owners.get(run.id) === id);
  const findings: Offered[] = [
    ...pairs.filter((id) => id.includes(':')).flatMap((id) => pairOf(id, runs)),
    ...comparisons.map((c) => ({
      kind: 'comparison' as const,
      id: c.id,
      name: c.name,
      at: c.created_ms,
      sentence: c.sentence,
      runs: under(c.id),
    })),
    ...knees.map((k) => ({
      kind: 'knee' as const,
      id: k.id,
      name: kneeName(k),
      at: k.created_ms,
      sentence: k.sentence,
      runs: under(k.id),
    })),
  ];
  const known = new Set(findings.map((f) => f.id));
  return {
    findings: findings.sort((a, b) => b.at - a.at),
    runs: runs.filter((run) => !known.has(owners.get(run.id) ?? '')),
  };
}

/** Whether every word of `filter` is somewhere in the texts. */
export function matches(filter: string, ...texts: readonly string[]): boolean {
  const all = texts.join(' ').toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

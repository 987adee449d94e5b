// The rows of the list of runs: runs for themselves, and findings with their runs under them.
import { costName } from '../../kit/cost';
import { belonging, folded, kneeName } from '../../kit/folds';
import { split, verdictTone } from './compare/scale';
import { kneeTone } from './knee/scale';
import type { RequestCost } from '../../backend/types';
import type { PartOf, RunSummary, StoredComparison, StoredKnee } from './types';

export interface OneRun {
  kind: 'run';
  run: RunSummary;
}
/** What was found out: by runs of its own, or, as what a request costs, by requests that are no runs. */
export interface Found {
  kind: 'finding';
  part: { kind: PartOf['kind'] | 'cost'; id: string; name: string };
  name: string;
  at: number;
  /** Class of the word: `ok`, `bad`, `warn` or another for none. */
  tone: string;
  word: string;
  rest: string;
  runs: OneRun[];
  /** What is stored of it; null while it runs, and after it was deleted or stopped. */
  stored: StoredComparison | StoredKnee | RequestCost | null;
}
export type Row = OneRun | Found;

export const keyOf = (row: Row): string => (row.kind === 'run' ? row.run.id : row.part.id);
export const timeOf = (row: Row): number => (row.kind === 'run' ? row.run.started_ms : row.at);

/** Runs and findings, newest first, the runs of a finding under it. */
export function rowsOf(
  runs: readonly RunSummary[],
  comparisons: readonly StoredComparison[],
  knees: readonly StoredKnee[],
  costs: readonly RequestCost[] = [],
): Row[] {
  const stored = new Map<string, Found>();
  for (const c of comparisons) {
    const part: PartOf = { kind: 'comparison', id: c.id, name: c.name };
    const { word, rest } = split(c.sentence);
    stored.set(c.id, {
      kind: 'finding',
      part,
      name: c.name,
      at: c.created_ms,
      tone: verdictTone(c.verdict),
      word,
      rest,
      runs: [],
      stored: c,
    });
  }
  for (const k of knees) {
    const part: PartOf = { kind: 'knee', id: k.id, name: kneeName(k) };
    stored.set(k.id, {
      kind: 'finding',
      part,
      name: part.name,
      at: k.created_ms,
      tone: kneeTone(k.state),
      word: '',
      rest: k.sentence,
      runs: [],
      stored: k,
    });
  }
  for (const cost of costs) {
    const part = { kind: 'cost' as const, id: cost.id, name: costName(cost) };
    const row = { kind: 'finding' as const, part, name: part.name, at: cost.created_ms, word: '', rest: cost.sentence };
    stored.set(cost.id, { ...row, tone: cost.statements.some((s) => s.repeated === true) ? 'warn' : '', runs: [], stored: cost });
  }
  const rows: Row[] = [];
  for (const fold of folded(runs, belonging(comparisons, knees))) {
    if (fold.part === null) {
      rows.push({ kind: 'run', run: fold.item });
      continue;
    }
    const under = fold.items.map((run): OneRun => ({ kind: 'run', run }));
    const known = stored.get(fold.part.id);
    if (known) known.runs = under;
    else {
      const at = Math.max(...fold.items.map((run) => run.started_ms));
      const rest = 'has no result: it runs, was stopped, or was deleted';
      rows.push({ kind: 'finding', part: fold.part, name: fold.part.name, at, tone: '', word: '', rest, runs: under, stored: null });
    }
  }
  return [...rows, ...stored.values()].sort((a, b) => timeOf(b) - timeOf(a));
}

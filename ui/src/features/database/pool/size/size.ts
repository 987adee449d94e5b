// What sizing a pool asks for and shows: the question, its words, the figures of each size, and Markdown of a result.
import type { PoolSizePreview, PoolSizeRequest, PoolSizing, SizeCell, SizeLeftOut, SizePoint } from '../../../../backend/types';
import { duration, format, integer, plural } from '../../../../kit/figures';
import * as md from '../../../../kit/markdown';

/** How long is measured: seconds of a cell and how often. */
export const DEPTHS = {
  quick: { label: 'Quick', repetitions: 3, warmup_s: 0.5, measure_s: 2 },
  thorough: { label: 'Thorough', repetitions: 5, warmup_s: 3, measure_s: 10 },
} as const;
export type Depth = keyof typeof DEPTHS;

export interface SizeForm {
  /** Identifier of a saved plan; empty for a statement. */
  plan: string;
  statement: string;
  objective: string;
  instances: string;
  most: string;
  depth: Depth;
}

export const blankSize = (): SizeForm => ({ plan: '', statement: '', objective: '', instances: '1', most: '64', depth: 'quick' });

export type SizeFaults = Partial<Record<'objective' | 'instances', string>>;

/** Largest sizes that can be asked for. */
export const MOST = ['4', '6', '8', '12', '16', '24', '32', '48', '64'];

/** The question, null where it is not complete; and what is wrong with which field. `plan` is the text of the chosen plan. */
export function questionOf(
  form: SizeForm,
  environment: string,
  plan: string | null,
): { asked: PoolSizeRequest | null; faults: SizeFaults } {
  const faults: SizeFaults = {};
  const objective = form.objective.trim() === '' ? null : Number(form.objective);
  if (objective !== null && !(objective > 0 && objective <= 3_600_000)) faults.objective = 'A time above 0, in milliseconds';
  const instances = Number(form.instances);
  if (!(Number.isInteger(instances) && instances >= 1 && instances <= 1000)) faults.instances = 'A whole number from 1 to 1,000';
  const work = form.plan === '' ? form.statement.trim() : plan;
  if (!work || Object.keys(faults).length > 0) return { asked: null, faults };
  const pace = {
    connections: 1,
    rate_per_s: null,
    poisson: false,
    late_limit_s: null,
    threads: null,
    duration_s: 1,
    warmup_s: 0,
    timeout_s: 10,
    seed: 1,
    thresholds: [],
  };
  const spec: PoolSizeRequest['spec'] =
    form.plan === ''
      ? { kind: 'sql', statement: work, script: null, parameters: [], transaction: false, prepared: true, pace }
      : { kind: 'plan', toml: work, threads: null };
  const { repetitions, warmup_s, measure_s } = DEPTHS[form.depth];
  const asked = {
    spec,
    environment_id: environment,
    max_connections: Number(form.most),
    repetitions,
    warmup_s,
    measure_s,
    objective_ms: objective,
    instances,
    name: null,
    confirm: null,
  };
  return { asked, faults };
}

/** What a sweep does to the database and how long, in a sentence. */
export function loadOf(preview: PoolSizePreview, depth: Depth): string {
  const { repetitions } = DEPTHS[depth];
  const cells = plural(preview.sizes.length * repetitions, 'cell');
  const most = preview.sizes.at(-1) ?? 0;
  return `${cells}, about ${duration(preview.seconds)}: ${preview.sizes.join(', ')} connections in random order, ${integer(repetitions)} times, each of them sending its next statement as soon as the last one was answered. ${plural(most, 'connection')} at most.`;
}

/** Kinds of waiting that took most of a size's sessions; null where that is not known. */
export function waitsOf(cells: readonly SizeCell[], connections: number): string | null {
  const known = cells.flatMap((cell) => (cell.connections === connections && cell.waits ? [cell.waits] : []));
  const shares = new Map<string, number>();
  for (const waits of known)
    for (const [kind, share] of Object.entries(waits)) shares.set(kind, (shares.get(kind) ?? 0) + (share ?? 0) / known.length);
  const most = [...shares].sort((a, b) => b[1] - a[1]).slice(0, 2);
  return most.length === 0 ? null : most.map(([kind, share]) => `${kind} ${format(share, 'ratio')}`).join(', ');
}

/** The cells of a row, in the order of [`HEADS`]. */
export function rowOf(size: SizePoint, found: PoolSizing): string[] {
  return [
    integer(size.connections),
    format(size.rate_per_s, 'per_second'),
    format(size.fitted_per_s, 'per_second'),
    format(size.share, 'ratio'),
    format(size.mean_ms, 'ms'),
    format(size.p95_ms, 'ms'),
    format(size.p99_ms, 'ms'),
    format(size.queue_ms, 'ms'),
    integer(size.errors),
    size.set_aside > 0 ? `${integer(size.cells)}, ${integer(size.set_aside)} set aside` : integer(size.cells),
    waitsOf(found.cells, size.connections) ?? '–',
  ];
}

export const HEADS: readonly { name: string; about?: string }[] = [
  { name: 'connections' },
  { name: 'throughput' },
  { name: 'by the law' },
  { name: 'of highest' },
  { name: 'mean', about: 'time in the database, the way there included' },
  { name: 'p95', about: 'median of the repetitions' },
  { name: 'p99', about: 'median of the repetitions' },
  { name: 'queue', about: 'wait for a connection with as many callers as the largest size had, by Little’s law: modelled, not measured' },
  { name: 'errors' },
  { name: 'cells' },
  { name: 'waits for', about: 'what the server’s sessions waited for, sampled; CPU for nothing' },
];

/** Sizes that were not tried, by why, without a full stop. */
export function notTried(left: readonly SizeLeftOut[]): string[] {
  const by = new Map<string, number[]>();
  for (const { connections, why } of left) by.set(why, [...(by.get(why) ?? []), connections]);
  return [...by].map(([why, sizes]) => `Not tried: ${sizes.join(', ')}; ${why}`);
}

export const toneOf = (found: PoolSizing): 'ok' | 'warn' | 'bad' =>
  found.recommended ? 'ok' : found.refused?.kind === 'objective' ? 'bad' : 'warn';

/** A result as Markdown. */
export function markdownOf(found: PoolSizing): string {
  const lines = [
    `### Pool size for ${md.text(found.name)}`,
    '',
    `${md.text(found.sentence)}.`,
    '',
    md.utc(found.created_ms),
    '',
    md.row(HEADS.map((head) => head.name)),
    md.row(HEADS.map((_, i) => (i < HEADS.length - 1 ? '---:' : '---'))),
    ...found.sizes.map((size) => md.row(rowOf(size, found).map(md.text))),
  ];
  for (const note of found.notes) lines.push('', md.text(note));
  return `${lines.join('\n')}\n`;
}

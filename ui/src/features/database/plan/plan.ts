// What a plan says: the sentence about it, and its nodes as rows.
import type { PlanNode, StatementPlan } from '../../../backend/types';
import { DASH, format, integer, plural, significant, THIN } from '../../../kit/figures';
import type { Said } from '../said';

/** From this factor on an estimate is marked: plans are chosen by estimates, and ten times is another plan. */
export const FAR = 10;

export { planPath as planRoute } from '../../../kit/statement';

export interface PlanRow {
  node: PlanNode;
  /** Its own time as a share of all. */
  share: number | null;
  /** Whether it took the most, and more than a third. */
  heaviest: boolean;
}

export function rowsOf(plan: StatementPlan): PlanRow[] {
  const all = plan.nodes.reduce((sum, n) => sum + (n.own_ms ?? 0), 0);
  const most = Math.max(0, ...plan.nodes.map((n) => n.own_ms ?? 0));
  return plan.nodes.map((node) => {
    const share = node.own_ms === null || all <= 0 ? null : node.own_ms / all;
    return { node, share, heaviest: node.own_ms !== null && node.own_ms === most && share !== null && share > 1 / 3 };
  });
}

/** A count, whole as far as it is read as such. */
export const figure = (n: number | null): string =>
  n === null ? DASH : Number.isInteger(n) && Math.abs(n) < 1e6 ? integer(n) : format(n, 'count');
export const msWord = (ms: number | null): string => (ms === null ? DASH : significant(ms));
/** By how much an estimate is off; as expected is a dash. */
export const offWord = (node: PlanNode): string =>
  node.off_by === null || node.off_by < 1.05 ? DASH : `×${node.off_by < 10 ? significant(node.off_by, 2) : integer(node.off_by)}`;
export const isFar = (node: PlanNode): boolean => node.off_by !== null && node.off_by >= FAR;
export const offTitle = (node: PlanNode): string =>
  node.off_by === null ? 'not measured' : node.overestimated ? 'fewer rows than estimated' : 'more rows than estimated';

/** What stands after the name of a node. */
export function aboutOf(node: PlanNode): string {
  const loops = node.loops === 0 ? 'never run' : node.loops !== null && node.loops > 1 ? `${integer(node.loops)} loops` : null;
  return [node.detail, loops].filter(Boolean).join(', ');
}

const where = (node: PlanNode): string => [node.name, node.relation ?? node.index].filter(Boolean).join(' on ');

/** The answer in a sentence: what takes the time where it was measured, else what is read in full. */
export function verdict(plan: StatementPlan): Said {
  const rows = rowsOf(plan);
  const heaviest = rows.find((r) => r.heaviest);
  if (plan.measured && plan.execution_ms !== null) {
    const took = `${format(plan.execution_ms, 'ms')} in all`;
    return heaviest
      ? { strong: `${where(heaviest.node)} takes ${integer((heaviest.share ?? 0) * 100)}${THIN}% of the time;`, rest: took }
      : { strong: `${took};`, rest: 'no step takes more than a third of it' };
  }
  const scans = plan.nodes.filter((n) => /^(Parallel )?Seq Scan$|^Full (table|index) scan$|^Scan$/.test(n.name));
  const cost = plan.nodes[0]?.cost ?? null;
  const steps = plural(plan.nodes.length + plan.nodes_left_out, 'step');
  const rest = cost === null ? 'estimated, not run' : `estimated cost ${figure(cost)}, not run`;
  if (scans.length === 0) return { strong: `${steps}, no table is read in full;`, rest };
  const [first] = [...scans].sort((a, b) => (b.estimated_rows ?? 0) - (a.estimated_rows ?? 0));
  const others = scans.length === 1 ? '' : ` and ${integer(scans.length - 1)} more`;
  return { strong: `${steps}, ${first!.relation ?? first!.name}${others} read in full;`, rest };
}

/** The sum of what is known of all nodes. */
export const sumOf = (plan: StatementPlan, of: (node: PlanNode) => number | null): number | null =>
  plan.nodes.some((n) => of(n) !== null) ? plan.nodes.reduce((sum, n) => sum + (of(n) ?? 0), 0) : null;

/** A figure about pages that a node read, wrote or waited for itself. */
export interface IoColumn {
  key: string;
  label: string;
  about: string;
  of: (node: PlanNode) => number | null;
  text: (n: number | null) => string;
}

const IO: readonly IoColumn[] = [
  { key: 'buffers', label: 'buffers', about: 'Pages that it touched itself', of: (n) => n.buffers, text: figure },
  { key: 'read', label: 'read', about: 'Of them, pages from outside the server’s memory', of: (n) => n.read_buffers, text: figure },
  { key: 'temp', label: 'temporary', about: 'Pages of temporary files, read and written', of: (n) => n.temp_buffers, text: figure },
  { key: 'io', label: 'I/O ms', about: 'Time that it waited for pages', of: (n) => n.io_ms, text: msWord },
];

/** Those that a plan has figures of; buffers always, since that they are not told is an answer too. */
export const ioOf = (plan: StatementPlan): IoColumn[] =>
  IO.filter(({ key, of }) => key === 'buffers' || plan.nodes.some((n) => (key === 'temp' ? (of(n) ?? 0) > 0 : of(n) !== null)));

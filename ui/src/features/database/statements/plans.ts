// Plans that a statement had: when another one was seen, and what differs. Plain functions.
import type { PlanSeen, PlanShape, ShapeNode } from '../../../backend/types';
import { clock } from '../../../charts/ticks';
import { lasted, plural } from '../../../kit/figures';

/** What of a node tells it apart, in a line. */
export const nodeWords = (node: ShapeNode): string => [node.name, node.relation, node.index].filter((part) => part !== null).join(' ');

/** Steps that only hand on what others read: they name no plan. */
const CARRIERS = /^(Limit|Sort|Incremental Sort|Gather|Gather Merge|Result|Aggregate|Hash|Materialize|Unique)\b/;
/** The step that a plan is best known by: the first that reads a table, else its root. */
export function planWord(shape: PlanShape): string {
  const node =
    shape.nodes.find((n) => n.index !== null || n.relation !== null) ?? shape.nodes.find((n) => !CARRIERS.test(n.name)) ?? shape.nodes[0];
  return node === undefined ? 'no step' : [node.name, node.index ?? node.relation].filter(Boolean).join(' ');
}

export interface PlanFlag {
  t: number;
  label: string;
}
/** A flag where another plan was seen first. */
export const flagsOf = (plans: readonly PlanSeen[]): PlanFlag[] =>
  plans.slice(1).map((plan) => ({ t: plan.first_ms, label: `plan changed ${clock(plan.first_ms, false)}` }));

/** The newest change in words: when the new plan was seen first, and how long nobody saw any before that. */
export function changeLine(before: PlanSeen, now: PlanSeen): string {
  const unseen = (now.first_ms - before.last_ms) / 1000;
  const gap = unseen > 150 ? `; between ${clock(before.last_ms, false)} and then no plan was read, for ${lasted(unseen)}` : '';
  return `seen first at ${clock(now.first_ms, false)}${gap}`;
}

export interface TreeLine {
  node: ShapeNode;
  /** Whether the other plan has no step like it. */
  only: boolean;
}
/** The steps of two plans, those marked that only one of them has. */
export function treesOf(before: PlanShape, now: PlanShape): [TreeLine[], TreeLine[]] {
  const lines = (of: PlanShape, other: PlanShape): TreeLine[] => {
    const left = new Map<string, number>();
    for (const node of other.nodes) left.set(nodeWords(node), (left.get(nodeWords(node)) ?? 0) + 1);
    return of.nodes.map((node) => {
      const count = left.get(nodeWords(node)) ?? 0;
      if (count > 0) left.set(nodeWords(node), count - 1);
      return { node, only: count === 0 };
    });
  };
  return [lines(before, now), lines(now, before)];
}

export const moreWords = (shape: PlanShape): string => (shape.nodes_left_out > 0 ? `${plural(shape.nodes_left_out, 'more step')}` : '');

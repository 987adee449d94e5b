// What a look at the sessions says: the sentence of the page, and who waits for whom.
import type { DatabaseActivity, RunningStatement } from '../../../backend/types';
import { DASH, integer, lasted, plural } from '../../../kit/figures';

export interface Verdict {
  tone: 'ok' | 'warn' | 'bad';
  /** What is the matter. */
  strong: string;
  /** The rest of the sentence. */
  rest: string;
  /** One line beneath it. */
  support: string;
}

/** A session in the tree of those that wait: who blocks it stands above it. */
export interface Node {
  session: RunningStatement;
  depth: number;
  /** Sessions that wait for it, over all levels. */
  holds: number;
}

/** A wait that is no longer short, in seconds. */
const LONG_S = 60;

/** Sessions that are told at most, the longest. */
export const MOST = 50;

export const nameOf = (s: RunningStatement): string => s.application ?? s.user ?? `session ${s.id}`;
export const isIdle = (s: RunningStatement): boolean => s.state.startsWith('idle');
/** How long a session has been at what it does: an idle one holds what its transaction took. */
export const ageS = (s: RunningStatement): number => (isIdle(s) ? (s.transaction_s ?? s.running_s) : s.running_s);
export const ageWord = (s: RunningStatement): string => lasted(ageS(s));

/** The class of what a session waits for, as the lane of waits colours it. */
export function waitClass(s: RunningStatement): 'cpu' | 'io' | 'lock' | 'other' | 'none' {
  if (isIdle(s)) return 'none';
  if (s.wait === null) return 'cpu';
  return /^(io|buffer)/i.test(s.wait) ? 'io' : /lock/i.test(s.wait) ? 'lock' : 'other';
}
export const waitWord = (s: RunningStatement): string => s.wait ?? (waitClass(s) === 'cpu' ? 'on CPU' : DASH);

/** How many sessions wait for each directly, by its number; without those that nobody waits for. */
export function holdsUp(statements: readonly RunningStatement[]): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  for (const s of statements) for (const by of s.blocked_by) found.set(by, (found.get(by) ?? 0) + 1);
  return found;
}
/** Whom a session blocks, else who blocks it. */
export const blockingWord = (s: RunningStatement, holds: ReadonlyMap<number, number>): string =>
  holds.has(s.id) ? `blocks ${integer(holds.get(s.id)!)}` : s.blocked_by.join(', ') || DASH;

/** Who waits for whom, roots first, those with the most waiting first. Sessions that nobody waits for are left out. */
export function blocking(statements: readonly RunningStatement[]): Node[] {
  const byId = new Map(statements.map((s) => [s.id, s]));
  const waitingFor = new Map<number, RunningStatement[]>();
  for (const s of statements) {
    // The first that is known: one with several blockers stands below one of them.
    const by = s.blocked_by.find((id) => byId.has(id) && id !== s.id);
    if (by !== undefined) waitingFor.set(by, [...(waitingFor.get(by) ?? []), s]);
  }
  const below = new Set([...waitingFor.values()].flat().map((s) => s.id));
  const nodes: Node[] = [];
  const seen = new Set<number>();
  function add(session: RunningStatement, depth: number): number {
    if (seen.has(session.id)) return 0;
    seen.add(session.id);
    const node: Node = { session, depth, holds: 0 };
    nodes.push(node);
    for (const next of waitingFor.get(session.id) ?? []) node.holds += 1 + add(next, depth + 1);
    return node.holds;
  }
  const roots = statements.filter((s) => waitingFor.has(s.id) && !below.has(s.id));
  // A circle has no root; the server ends it soon, until then one of it stands for the root.
  const rest = statements.filter((s) => waitingFor.has(s.id) && below.has(s.id));
  const size = (s: RunningStatement): number => waitingFor.get(s.id)?.length ?? 0;
  for (const root of [...roots].sort((a, b) => size(b) - size(a)).concat(rest)) add(root, 0);
  return nodes;
}

/** The statement that ends a session, by the product's name. */
export const ending = (id: number, version: string | null | undefined): string =>
  /mysql|mariadb/i.test(version ?? '') ? `KILL ${id};` : `SELECT pg_terminate_backend(${id});`;

function counted(activity: DatabaseActivity): string {
  const all = activity.statements;
  const idle = all.filter((s) => isIdle(s)).length;
  const waiting = all.filter((s) => s.blocked_by.length > 0).length;
  return [
    `${plural(all.length, 'session')}${all.length === MOST ? `, the longest ${MOST}` : ''}`,
    ...(idle > 0 ? [`${integer(idle)} idle in transaction`] : []),
    ...(waiting > 0 ? [`${integer(waiting)} waiting for another`] : []),
  ].join(', ');
}

/** The answer of the page in a sentence: who is blocked comes first, then what is hidden, then what runs. */
export function verdict(activity: DatabaseActivity): Verdict {
  const { statements, hidden } = activity;
  const [root] = blocking(statements);
  const support = counted(activity);
  if (root) {
    const [first, waiting] = [root.session, root.holds];
    const longest = Math.max(...statements.filter((s) => s.blocked_by.length > 0).map((s) => s.running_s));
    const idle = isIdle(first) ? first.state : 'running';
    return {
      tone: longest >= LONG_S ? 'bad' : 'warn',
      strong: `${plural(waiting, 'session')} ${waiting === 1 ? 'waits' : 'wait'} for one:`,
      rest: `${nameOf(first)}, ${idle} for ${lasted(ageS(first))}`,
      support: `The longest wait has lasted ${lasted(longest)}. ${support}.`,
    };
  }
  if (hidden !== 0) {
    const n = hidden === null ? 'Other sessions' : plural(hidden, 'session');
    return {
      tone: 'warn',
      strong: `${n} ${hidden === 1 ? 'hides its statement' : hidden === null ? 'may be hidden' : 'hide their statement'}`,
      rest: 'from this user',
      support: statements.length === 0 ? 'None of what runs can be seen.' : `What is shown is a part: ${support}.`,
    };
  }
  const running = statements.filter((s) => !isIdle(s));
  const longest = running[0];
  if (longest === undefined) {
    const idle = statements[0];
    return {
      tone: 'ok',
      strong: 'No statement runs',
      rest: idle ? `now; the longest open transaction is ${nameOf(idle)}, for ${lasted(ageS(idle))}` : 'at the moment',
      support: `${support}, read every 2 s.`,
    };
  }
  return {
    tone: 'ok',
    strong: `${plural(running.length, 'statement')} ${running.length === 1 ? 'runs' : 'run'},`,
    rest: `the longest for ${lasted(Math.max(...running.map((s) => s.running_s)))}`,
    support: `${support}, read every 2 s.`,
  };
}

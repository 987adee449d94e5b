// The text of a plan: where lines and problems are, what Tab does, what a list shows of it.
import type { PlanProblem } from '../types';

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Offset of the start of a line, counted from 1. */
export function lineStart(text: string, line: number): number {
  let at = 0;
  for (let i = 1; i < line; i += 1) {
    const next = text.indexOf('\n', at);
    if (next < 0) return at;
    at = next + 1;
  }
  return at;
}

/** The line of an offset, counted from 1. */
export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;

interface Block {
  /** Header, such as `load` or `steps`; empty before the first one. */
  name: string;
  from: number;
  to: number;
}

/** The tables of a text with their lines, both ends inclusive, counted from 1. */
function blocks(lines: readonly string[]): Block[] {
  const found: Block[] = [{ name: '', from: 1, to: lines.length }];
  lines.forEach((line, i) => {
    const name = /^\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}/.exec(line)?.[1];
    if (name === undefined) return;
    found[found.length - 1]!.to = i;
    found.push({ name, from: i + 1, to: lines.length });
  });
  return found;
}

/** Line of `key =` in a block. */
function keyLine(lines: readonly string[], block: Block, key: string): number | null {
  const pattern = new RegExp(`^\\s*"?${escaped(key)}"?\\s*=`);
  for (let i = block.from; i <= block.to; i += 1) if (pattern.test(lines[i - 1] ?? '')) return i;
  return null;
}

/** The line a problem is about: the one it names, or that of its step and field; `null` where it cannot be found. */
export function lineOf(text: string, problem: Pick<PlanProblem, 'line' | 'step' | 'field'>): number | null {
  if (problem.line !== null) return problem.line;
  const lines = text.split('\n');
  const all = blocks(lines);
  const path = problem.field.split(/[.[]/).filter(Boolean);
  const named = (table: string, name: string): number =>
    all.findIndex(
      (b) =>
        b.name === table && new RegExp(`"${escaped(name)}"|'${escaped(name)}'`).test(lines[(keyLine(lines, b, 'name') ?? 1) - 1] ?? ''),
    );
  if (problem.step !== null && path[0] !== 'thresholds') {
    const at = named('steps', problem.step);
    if (at < 0) return null;
    // Sub-tables such as [[steps.checks]] belong to the step above them.
    const until = all.findIndex((b, i) => i > at && !b.name.startsWith('steps.'));
    const own = all.slice(at, until < 0 ? all.length : until);
    for (const b of own) {
      const line = b.name === `steps.${path[0]}` ? b.from : path[0] ? keyLine(lines, b, path[0]) : null;
      if (line !== null) return line;
    }
    return own[0]!.from;
  }
  const [first = '', second = ''] = path;
  if (first === '') return null;
  if (first === 'feeds' && second) {
    const at = named('feeds', second);
    return at < 0 ? null : all[at]!.from;
  }
  const table = all.find((b) => b.name === first);
  if (table) return (second && keyLine(lines, table, second)) || table.from;
  return keyLine(lines, all[0]!, first);
}

export interface Edit {
  /** The range that is replaced. */
  from: number;
  to: number;
  text: string;
  /** The selection afterwards. */
  start: number;
  end: number;
}

const INDENT = '  ';

/** What Tab or Shift Tab does to a selection. */
export function indented(text: string, start: number, end: number, out: boolean): Edit | null {
  const multi = text.slice(start, end).includes('\n');
  if (!out && !multi) return { from: start, to: end, text: INDENT, start: start + 2, end: start + 2 };
  const from = text.lastIndexOf('\n', start - 1) + 1;
  const stop = multi && text[end - 1] === '\n' ? end - 1 : end;
  const next = text.indexOf('\n', stop);
  const to = next < 0 ? text.length : next;
  const before = text.slice(from, to).split('\n');
  const after = before.map((line) => (out ? line.replace(/^( {1,2}|\t)/, '') : line === '' ? '' : INDENT + line));
  const joined = after.join('\n');
  if (joined === text.slice(from, to)) return null;
  const head = after[0]!.length - before[0]!.length;
  return { from, to, text: joined, start: Math.max(from, start + head), end: Math.max(from, end + joined.length - (to - from)) };
}

/** What Enter inserts: a line end with the indentation of the present line. */
export function newLine(text: string, start: number): string {
  const from = text.lastIndexOf('\n', start - 1) + 1;
  return `\n${/^[ \t]*/.exec(text.slice(from, start))?.[0] ?? ''}`;
}

export interface Outline {
  steps: number;
  /** Kinds of its steps, each once. */
  kinds: string[];
  load: string;
}

/** What a list says of a plan, read from its text without judging it. */
export function outline(toml: string): Outline {
  const lines = toml.split('\n');
  const all = blocks(lines);
  const value = (b: Block | undefined, key: string): string | undefined => {
    const line = b && keyLine(lines, b, key);
    return line ? /=\s*"?([^"#]*?)"?\s*(#.*)?$/.exec(lines[line - 1]!)?.[1] : undefined;
  };
  const steps = all.filter((b) => b.name === 'steps');
  const load = all.find((b) => b.name === 'load');
  const open = value(load, 'kind') === 'open';
  const staged = all.some((b) => b.name === 'stages');
  const level = staged ? 'in stages' : open ? `${value(load, 'rate_per_s') ?? '0'}/s` : `${value(load, 'connections') ?? '10'} connections`;
  return {
    steps: steps.length,
    kinds: [...new Set(steps.map((b) => value(b, 'kind') ?? '?'))],
    load: `${open ? 'open' : 'closed'} loop, ${level}`,
  };
}

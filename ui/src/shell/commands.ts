// Every command of the palette: the ways to the screens, what can be pressed on this one, then what each feature adds.
import { rpc } from '../backend';
import { FEATURES } from '../features';
import { app } from '../kit/app.svelte';
import { GROUPS, type Command, type Group } from '../kit/feature';
import { wordsOf } from '../kit/list';
import { paused } from '../kit/paused.svelte';
import { score } from './fuzzy';
import type { Press } from './onscreen';
import { RAIL } from './routes';

/** The commands that make sense now; read inside a derived value. */
export function commands(shortcuts: () => void, presses: readonly Press[]): Command[] {
  return [
    ...RAIL.map((f): Command => ({
      name: `Go to ${f.title.toLowerCase()}`,
      hint: `g ${f.rail.key}`,
      group: 'Go to',
      run: () => app.go(paused.within(f.path)),
    })),
    ...presses.map((p): Command => ({
      id: `press ${p.name}`,
      name: p.name,
      hint: 'on this screen',
      group: 'On this screen',
      run: p.press,
    })),
    ...app.jobs
      .filter((job) => job.state === 'running' && job.cancellable)
      .map((job) => ({
        id: `stop ${job.id}`,
        name: `Stop ${job.title}`,
        hint: '',
        run: () => void rpc('job.cancel', { id: job.id }).catch(() => undefined),
      })),
    ...FEATURES.flatMap((f) => f.commands?.() ?? []),
    { name: 'Show shortcuts', hint: '?', run: shortcuts },
  ];
}

export const idOf = (command: Command): string => command.id ?? command.name;

/** Commands under their group. */
export interface Shelf {
  group: Group;
  commands: Command[];
  /** How many more fit. */
  more: number;
}

/** Most of a group that are shown: what is typed further finds the others. */
const SHOWN = 8;
/** Where nothing is typed yet, of groups that are as many as there are things. */
const OFFERED = 5;

interface Searched {
  command: Command;
  group: Group;
  order: number;
  text: string;
}
/** Commands with the text that they are found by; made once for a list, read with every letter. */
export const searched = (all: readonly Command[]): Searched[] =>
  all.map((command, order) => ({
    command,
    order,
    group: command.group ?? 'Actions',
    text: `${command.name}\n${command.also ?? ''}\n${command.group ?? ''}`.normalize('NFKC').toLowerCase(),
  }));

/** Above what any part of a name is worth. */
const EXACT = 10_000;
/** A name that is typed last, in its case. */
const CASED = 100;

/** How well a command fits; null where it does not. */
function fit(of: Searched, query: string, words: readonly string[]): number | null {
  const exact = words.every((word) => of.text.includes(word));
  // Scattered letters find the way to a screen, and would find half of a thousand runs.
  const loose = of.group === 'Go to' || of.group === 'Actions' || of.group === 'On this screen' || of.group === 'Environments';
  if (!exact && !loose) return null;
  const named = score(of.command.name, query);
  // Names may differ in their case alone.
  const { name, of: thing } = of.command;
  const typed = query.trim();
  if (typed === name || typed === thing) return EXACT;
  const cased = thing !== undefined && typed.endsWith(` ${thing}`) ? CASED : 0;
  if (exact) return 300 + cased + (named ?? 0);
  return named === null ? null : named + cased;
}

/** The commands that fit, best first, under their groups; the group with the best one first. */
export function shelves(all: readonly Searched[], query: string): Shelf[] {
  const words = wordsOf(query);
  const groups = new Map<Group, { of: Searched; value: number }[]>(GROUPS.map((group) => [group, []]));
  for (const of of all) {
    const value = words.length === 0 ? 0 : fit(of, query, words);
    if (value !== null) groups.get(of.group)!.push({ of, value });
  }
  const found = [...groups]
    .filter(([, list]) => list.length > 0)
    .map(([group, list]) => {
      list.sort((a, b) => b.value - a.value || a.of.order - b.of.order);
      const many = words.length === 0 && group === 'Environments' ? OFFERED : words.length === 0 ? list.length : SHOWN;
      return { group, best: list[0]!.value, commands: list.slice(0, many).map((e) => e.of.command), more: Math.max(0, list.length - many) };
    });
  if (words.length > 0) found.sort((a, b) => b.best - a.best);
  return found;
}

// What is to be mended about indexes, as a list: those that are advised, then what costs writes and space, then what may cost reads.
import type { AdvisedIndex, Change, DatabaseIndexes, IndexAdvice, IndexFinding, IndexFindingKind } from '../../../backend/types';
import { groupOf } from '../../../kit/changes/group';
import { bytes, plural } from '../../../kit/figures';

/** An index that is advised, or something that is wrong with one that is there. */
export interface Item {
  /** Stands in the address. */
  key: string;
  group: Group;
  /** Its words, and the table that it is about. */
  title: string;
  table: string;
  /** What tells it apart, in a line. */
  line: string;
  /** Share of database time that it saves; null where that is not known. */
  share: number | null;
  /** Bytes that it takes or gives back. */
  bytes: number | null;
  index: AdvisedIndex | null;
  found: IndexFinding | null;
  /** The change of it that is not past. */
  change: Change | null;
}

export const GROUPS = ['Indexes that are advised', 'Costs writes and space, not reads', 'May cost reads, not measured'] as const;
export type Group = (typeof GROUPS)[number];

const KINDS: Readonly<Record<IndexFindingKind, readonly [title: string, group: Group]>> = {
  invalid: ['Invalid index', GROUPS[1]],
  duplicate: ['Duplicate index', GROUPS[1]],
  redundant: ['Redundant index', GROUPS[1]],
  unused: ['Index never read', GROUPS[1]],
  bloated: ['Bloated index', GROUPS[1]],
  foreign_key: ['Foreign key without index', GROUPS[2]],
  never_analyzed: ['Never analyzed', GROUPS[2]],
};

/** A name without the schema that goes without saying: that of PostgreSQL, that of SQLite. */
export const short = (name: string): string => name.replace(/^(public|main)\./, '');
/** The last part of a name, without quotes: what an index is called within its schema. */
export const bare = (name: string): string => {
  const last = /(?:"(?:[^"]|"")*"|[^".]+)$/.exec(name)?.[0] ?? name;
  return last.startsWith('"') ? last.slice(1, -1).replaceAll('""', '"') : last;
};

/** The change that creates an advised index, while it is not past. */
export const changeOfIndex = (changes: readonly Change[], index: AdvisedIndex): Change | null =>
  changes.find((c) => c.kind === 'create_index' && groupOf(c) !== 'past' && bare(c.object) === index.name) ?? null;
/** A change that would mend a finding. */
export interface Way {
  label: string;
  kind: string;
  object: string;
}
/** The changes that a finding leads to, the first that it advises first. */
export function waysOf({ finding }: IndexFinding): Way[] {
  const steps = [...finding.proof.steps, finding.action].flatMap(({ label, opens }) =>
    opens.what === 'change' ? [{ label, kind: opens.kind, object: opens.object }] : [],
  );
  return steps.filter((way, i) => steps.findIndex((other) => other.kind === way.kind && other.object === way.object) === i);
}
/** One of them that was planned, while it is not past. */
export function changeOfFinding(changes: readonly Change[], found: IndexFinding): Change | null {
  const ways = waysOf(found);
  return changes.find((c) => groupOf(c) !== 'past' && ways.some((way) => way.kind === c.kind && way.object === c.object)) ?? null;
}

function advised(advice: IndexAdvice, index: AdvisedIndex, changes: readonly Change[]): Item {
  return {
    key: `index:${index.name}`,
    group: GROUPS[0],
    title: 'Index on',
    table: short(index.table),
    line: `${index.keys}, for ${plural(index.used_by.length, 'statement')}`,
    share: index.saved === null ? null : Math.max(0, index.saved.value),
    bytes: index.bytes,
    index,
    found: null,
    change: changeOfIndex(changes, index),
  };
}

function foundItem(found: IndexFinding, changes: readonly Change[]): Item {
  const [title, group] = KINDS[found.kind];
  const told = found.frees_bytes === null ? found.finding.evidence : `frees ${bytes(found.frees_bytes)}`;
  return {
    key: found.finding.id,
    group,
    title,
    table: short(found.table),
    line: found.object === found.table ? told : `${short(found.object)}, ${told}`,
    share: null,
    bytes: found.frees_bytes,
    index: null,
    found,
    change: changeOfFinding(changes, found),
  };
}

/** Everything that there is to mend, in the order of the list. */
export function itemsOf(advice: IndexAdvice | null, indexes: DatabaseIndexes | null, changes: readonly Change[]): Item[] {
  const found = (indexes?.findings ?? []).map((f) => foundItem(f, changes));
  const made = advice === null ? [] : advice.advised.map((index) => advised(advice, index, changes));
  made.sort((a, b) => (b.share ?? -1) - (a.share ?? -1));
  return [...made, ...GROUPS.slice(1).flatMap((group) => found.filter((item) => item.group === group))];
}

export const ORDERS = ['rank', 'size', 'table'] as const;
export type Order = (typeof ORDERS)[number];
export const ORDER_WORDS: Readonly<Record<Order, string>> = { rank: 'By share', size: 'By size', table: 'By table' };

/** The items that fit a filter, within their groups in the order that is asked for. */
export function shown(items: readonly Item[], like: string, order: Order): Item[] {
  const words = like.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const text = (item: Item): string => `${item.title} ${item.table} ${item.line} ${item.found?.finding.title ?? ''}`.toLowerCase();
  const fit = items.filter((item) => words.every((word) => text(item).includes(word)));
  if (order === 'rank') return fit;
  const by = (a: Item, b: Item): number => (order === 'size' ? (b.bytes ?? -1) - (a.bytes ?? -1) : a.table.localeCompare(b.table));
  return GROUPS.flatMap((group) => fit.filter((item) => item.group === group).sort(by));
}

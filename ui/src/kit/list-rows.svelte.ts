// The rows of a list as they are asked for: filtered, in their order, unfolded; and the one that the arrows are at.
import { untrack } from 'svelte';
import { arrange, orderOf, orderText, nextOrder, type Column, type Entry, type Order, type Wanted } from './list';
import { useApp } from './screen';
import { selection } from './selection.svelte';

export interface Given<Row extends object> extends Omit<Wanted<Row>, 'rows' | 'like' | 'order' | 'unfolded'> {
  /** Null before they are known. */
  rows: readonly Row[] | null;
  /** Key of the row that is chosen. */
  chosen?: string | null;
  /** The column that the rows come sorted by, such as `-started`. */
  usual?: string;
  /** Begin of its parameters in the address; null keeps it out of there. */
  address?: string | null;
}

/** What is typed and pressed: in the address, or here. */
interface Kept {
  readonly value: string | null;
  choose: (value: string | null) => void;
}
function kept(address: string | null | undefined, name: string): Kept {
  let own = $state<string | null>(null);
  if (address !== null) return selection(useApp(), `${address ?? ''}${name}`);
  return {
    get value() {
      return own;
    },
    choose: (value) => (own = value),
  };
}

/** What ends a press of the pointer, whatever becomes of it. */
const ENDS = ['pointerup', 'pointercancel', 'contextmenu', 'dragend', 'blur'];

/** To be called while a component is made; `given` reads its properties. */
export function listRows<Row extends object>(given: () => Given<Row>) {
  // A list keeps its place in the address for its life.
  const address = untrack(() => given().address);
  const like = kept(address, 'like');
  const sort = kept(address, 'sort');
  let unfolded = $state.raw<ReadonlySet<string>>(new Set());
  /** Key of the row that the arrows are at. */
  let at = $state<string | null>(null);
  /** The rows as they were when the pointer was pressed on them. */
  let held = $state.raw<{ rows: readonly Row[] | null } | null>(null);

  const usualOrder = $derived(orderOf(given().usual));
  const order = $derived.by((): Order | null => {
    const asked = orderOf(sort.value);
    return asked && given().columns.some((c) => c.key === asked.key && c.sort) ? asked : null;
  });
  const rows = $derived(held ? held.rows : given().rows);
  const found = $derived(
    arrange({
      rows: rows ?? [],
      columns: given().columns,
      key: given().key,
      below: given().below,
      whole: given().whole,
      group: given().group,
      also: given().also,
      like: like.value ?? '',
      order,
      unfolded,
    }),
  );
  const entries = $derived(found.entries);
  const reached = $derived.by(() => {
    const here = entries.findIndex((e) => e.type === 'row' && e.key === at);
    if (here >= 0) return here;
    const chosen = given().chosen ?? null;
    const there = chosen === null ? -1 : entries.findIndex((e) => e.type === 'row' && given().key(e.row) === chosen);
    return there >= 0 ? there : entries.findIndex((e) => e.type === 'row');
  });

  function row(i: number): Extract<Entry<Row>, { type: 'row' }> | null {
    const entry = entries[i];
    return entry?.type === 'row' ? entry : null;
  }

  return {
    /** Null before they are known. */
    get rows(): readonly Row[] | null {
      return rows;
    },
    /** What is shown: rows, and heads of groups. */
    get entries(): readonly Entry<Row>[] {
      return entries;
    },
    /** Rows that fit the filter, and how many there are without it. */
    get fit(): readonly Row[] {
      return found.fit;
    },
    get total(): number {
      return found.total;
    },
    /** The words of the filter. */
    get like(): string {
      return like.value ?? '';
    },
    filter: (text: string): void => like.choose(text || null),
    /** What the rows are sorted by, which may be as they came. */
    get sorted(): Order | null {
      return order ?? usualOrder;
    },
    /** Sorts by a column, the other way, or as they came. */
    sort: (column: Column<Row>): void => sort.choose(orderText(nextOrder(order, usualOrder, column))),
    /** Where Tab comes in: what the arrows were at, what is chosen, else the first; below 0 where there is none. */
    get reached(): number {
      return reached;
    },
    reach: (key: string): void => void (at = key),
    /** The row at a place; null where a head of a group or nothing is. */
    row,
    /** The next row from `i` on; heads of groups are passed over. Below 0 where there is none. */
    next(i: number, by: 1 | -1): number {
      for (let n = i; n >= 0 && n < entries.length; n += by) if (entries[n]!.type === 'row') return n;
      return -1;
    },
    /** Folds or unfolds; answers whether that altered anything. */
    fold(i: number, wanted: boolean): boolean {
      const entry = row(i);
      if (entry === null || entry.open === null || entry.open === wanted) return false;
      const changed = new Set(unfolded);
      if (wanted) changed.add(entry.key);
      else changed.delete(entry.key);
      unfolded = changed;
      return true;
    },
    /** Keeps the rows as they are until the pointer is let go: nothing moves under it, and what was pressed is what is clicked. */
    hold(): void {
      if (held !== null) return;
      held = { rows: given().rows };
      const off = new AbortController();
      const end = (): void => {
        off.abort();
        // The click of it comes first.
        setTimeout(() => (held = null), 0);
      };
      for (const name of ENDS) addEventListener(name, end, { signal: off.signal });
    },
  };
}
export type ListRows<Row extends object> = ReturnType<typeof listRows<Row>>;

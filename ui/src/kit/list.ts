// A list as it is looked at: filtered, sorted, grouped and folded. Plain functions; `List.svelte` draws what they answer.

import { DASH, TOO_SMALL } from './figures';

/** A column: its head, and what each row says in it. */
export interface Column<Row> {
  /** Unique in its list; stands in the address where it sorts. */
  key: string;
  /** Its head. */
  label: string;
  /** Its head is read out but not shown, as over buttons. */
  silent?: boolean;
  /** What a cell says: shown unless the list draws the cell, searched, and copied. */
  text: (row: Row) => string;
  /** What rows are sorted by; without it the column does not sort. What is null, or said to have no value, comes last either way. */
  sort?: (row: Row) => string | number | null;
  /** Figures stand to the right, sort largest first and are not searched: a filter is for words. */
  numeric?: boolean;
  /** A moment; not searched either. */
  moment?: boolean;
  mono?: boolean;
  soft?: boolean;
  /** The figure that counts most. */
  strong?: boolean;
  /** Its text is drawn as it is, in a list that draws its cells too: that costs a long list a third of the time of such a cell. */
  plain?: true;
  /** Width in pixels, more where its figures need it; without it the column takes its share of the rest. */
  width?: number;
  /** Whether it is no wider than its longest text needs: no wider than `width`, or than its share, where what is longer is cut. */
  fits?: true;
  /** Room beside its text that it needs then, as for a sign, in pixels; 0 by default. */
  beside?: number;
  /** Least width of one that takes a share; 96 by default. */
  least?: number;
  /** Its share of the rest; 1 by default. */
  grow?: number;
}

/** Column and direction. */
export interface Order {
  key: string;
  down: boolean;
}

/** Reads `-p99` as p99, largest first; null where it is no order. */
export const orderOf = (text: string | null | undefined): Order | null =>
  !text || text === '-' ? null : text.startsWith('-') ? { key: text.slice(1), down: true } : { key: text, down: false };
export const orderText = (order: Order | null): string | null => (order === null ? null : `${order.down ? '-' : ''}${order.key}`);

/** What a press on a column's head makes of the order: figures largest first, then the other way, then as given. */
export function nextOrder(now: Order | null, usual: Order | null, column: { key: string; numeric?: boolean }): Order | null {
  const first = column.numeric === true;
  const shown = now ?? usual;
  if (shown?.key !== column.key) return { key: column.key, down: first };
  if (now === null) return { key: column.key, down: !shown.down };
  return now.down === first && usual?.key !== column.key ? { key: column.key, down: !first } : null;
}

export type Entry<Row> =
  | { type: 'head'; key: string; group: string; rows: readonly Row[] }
  /** `open` is null for a row that has nothing below it. */
  | { type: 'row'; key: string; row: Row; level: 1 | 2; open: boolean | null };

export interface Wanted<Row> {
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  key: (row: Row) => string;
  /** The rows that are folded under a row; null or none under a row that is one itself. */
  below?: ((row: Row) => readonly Row[] | null) | undefined;
  /** Whether a row with others below it is what is counted, and those are parts of it; otherwise it only holds them. */
  whole?: boolean | undefined;
  /** Which group a row stands in; groups come in the order of their first rows. */
  group?: ((row: Row) => string) | undefined;
  /** More that is searched than the columns say. */
  also?: ((row: Row) => string) | undefined;
  like: string;
  order: Order | null;
  /** Keys of the rows that were unfolded. */
  unfolded: ReadonlySet<string>;
}

export interface Arranged<Row> {
  entries: Entry<Row>[];
  /** Rows that are counted and fit, folded ones included. */
  fit: Row[];
  total: number;
}

const plain = (text: string): string => text.normalize('NFKC').toLowerCase();
/** The words of a filter: all of them have to be found. */
export const wordsOf = (like: string): string[] => plain(like).split(/\s+/).filter(Boolean);

/** Compares as a reader would: figures by value, names without case and with their numbers in order. */
const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
export const inOrder = (a: string, b: string): number => collator.compare(a, b);
function compare(a: string | number | null, b: string | number | null, down: boolean): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  const by = typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));
  return down ? -by : by;
}

/** What a cell says that has no value to show; what lies behind it is not sorted by. */
const WITHOUT: ReadonlySet<string> = new Set(['', DASH, TOO_SMALL]);

export function arrange<Row extends object>(of: Wanted<Row>): Arranged<Row> {
  const { columns, key, below, like, order, unfolded } = of;
  const words = wordsOf(like);
  const searchedIn = columns.filter((c) => !c.numeric && !c.moment);
  const fits = (row: Row): boolean => {
    const text = plain([...searchedIn.map((c) => c.text(row)), of.also?.(row) ?? ''].join('\n'));
    return words.every((word) => text.includes(word));
  };
  const by = order === null ? undefined : columns.find((c) => c.key === order.key);
  const sorted = (rows: readonly Row[]): readonly Row[] => {
    if (!by?.sort || !order) return rows;
    const values = new Map(rows.map((row) => [row, WITHOUT.has(by.text(row)) ? null : by.sort!(row)]));
    return [...rows].sort((a, b) => compare(values.get(a)!, values.get(b)!, order.down));
  };

  let total = 0;
  const fit: Row[] = [];
  /** What is left of each row: itself, with those below it that are left. */
  const kept = new Map<Row, { under: readonly Row[] | null; forced: boolean }>();
  for (const row of of.rows) {
    const all = below?.(row) ?? null;
    const counted = (under: readonly Row[] | null): readonly Row[] => (under === null || of.whole ? [row] : under);
    total += counted(all).length;
    if (words.length === 0 || fits(row)) {
      kept.set(row, { under: all, forced: false });
      fit.push(...counted(all));
    } else if (all !== null) {
      // What was looked for is shown, not hidden under what holds it.
      const under = all.filter(fits);
      if (under.length > 0) {
        kept.set(row, { under, forced: true });
        fit.push(...counted(under));
      }
    }
  }

  const entries: Entry<Row>[] = [];
  const put = (rows: readonly Row[]): void => {
    for (const row of sorted(rows)) {
      const { under, forced } = kept.get(row)!;
      const id = key(row);
      const open = under === null || under.length === 0 ? null : forced || unfolded.has(id);
      entries.push({ type: 'row', key: id, row, level: 1, open });
      if (open)
        for (const child of sorted(under!)) entries.push({ type: 'row', key: `${id}/${key(child)}`, row: child, level: 2, open: null });
    }
  };
  if (of.group) {
    const groups = new Map<string, Row[]>();
    for (const row of kept.keys()) {
      const name = of.group(row);
      groups.set(name, [...(groups.get(name) ?? []), row]);
    }
    for (const [name, rows] of groups) {
      entries.push({ type: 'head', key: `group ${name}`, group: name, rows });
      put(rows);
    }
  } else put([...kept.keys()]);
  return { entries, fit, total };
}

/** Up to this many rows are drawn whole. */
export const WHOLE = 60;
/** Rows drawn beyond either end of what is seen. */
const SPARE = 12;

/** Which of `count` rows are drawn: those that are seen and some more; in steps, so that not every pixel draws anew. */
export function seen(count: number, top: number, height: number, row: number): { from: number; to: number } {
  if (count <= WHOLE) return { from: 0, to: count };
  const step = SPARE / 2;
  const from = Math.floor(top / row / step) * step - SPARE;
  const to = Math.ceil((top + height) / row / step) * step + SPARE;
  return { from: Math.min(Math.max(0, from), Math.max(0, count - step)), to: Math.min(count, Math.max(step, to)) };
}

/** Room between two columns, in pixels. */
const BETWEEN = 16;
/** Room of a character at the size of a list's figures, in pixels. */
const roomOfOne = (c: string): number =>
  /[\u2009\u202f]/.test(c) ? 2 : /[ ijl.,/]/.test(c) ? 3.5 : /[frt]/.test(c) ? 4.7 : /[mwMW%]/.test(c) ? 10.5 : 7.2;
const roomOf = (text: string): number => Math.ceil([...text].reduce((sum, c) => sum + roomOfOne(c), BETWEEN));

/** Room that the longest figure of each column needs, or the longest text of one that fits; 0 for others, whose texts may be cut. */
export const needs = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): number[] =>
  columns.map((c) => {
    if (c.fits) {
      const texts = new Set([c.label, ...rows.map((row) => c.text(row))]);
      return Math.max(...[...texts].map(roomOf)) + (c.beside ?? 0);
    }
    return c.numeric && !c.moment ? rows.reduce((most, row) => Math.max(most, roomOf(c.text(row))), 0) : 0;
  });

/**
 * Widths of columns on `room` pixels; those that share the rest keep a least width, so that a narrow list is moved sideways.
 * `least` is what each needs besides.
 */
export function widths<Row>(columns: readonly Column<Row>[], room: number, least: readonly number[] = []): number[] {
  const fixed = (c: Column<Row>, width: number, need: number): number => (c.fits ? Math.min(width, need) : Math.max(width, need));
  const all = columns.map((c, i) => (c.width === undefined ? null : fixed(c, c.width, least[i] ?? 0)));
  const needed = (i: number): number => least[i] ?? 0;
  const leastOf = (i: number): number => Math.max(columns[i]!.least ?? 96, columns[i]!.fits ? 0 : needed(i));
  const sum = (of: (c: Column<Row>, i: number) => number): number => columns.reduce((total, c, i) => total + of(c, i), 0);
  // What a least width takes is missing from the others.
  for (;;) {
    const rest = room - sum((_, i) => all[i] ?? 0);
    const shares = sum((c, i) => (all[i] === null ? (c.grow ?? 1) : 0));
    const shareOf = (i: number): number => Math.floor((rest * (columns[i]!.grow ?? 1)) / shares);
    const tight = columns.map((_, i) => all[i] === null && shareOf(i) < leastOf(i));
    tight.forEach((is, i) => is && (all[i] = leastOf(i)));
    if (tight.includes(true)) continue;
    // And what one does not need is for the others.
    const slack = columns.findIndex((c, i) => all[i] === null && c.fits && shareOf(i) > Math.max(needed(i), c.least ?? 0));
    if (slack < 0) return all.map((width, i) => width ?? shareOf(i));
    all[slack] = Math.max(needed(slack), columns[slack]!.least ?? 0);
  }
}

/**
 * By how many rows those that are seen, from `first` up to `last`, were moved by others that came or went above them: as far as
 * the first of them that is still here. 0 where they were put into another order.
 */
export function shifted(before: readonly { key: string }[], now: readonly { key: string }[], first: number, last: number): number {
  const places = new Map(now.map((entry, i) => [entry.key, i]));
  const kept = before.slice(first, last).flatMap(({ key }, i) => (places.has(key) ? [{ was: first + i, is: places.get(key)! }] : []));
  if (kept.length === 0 || kept.some(({ is }, i) => i > 0 && is < kept[i - 1]!.is)) return 0;
  return kept[0]!.is - kept[0]!.was;
}

/** A cell of a row: its column, its place among all, and how many columns it takes. */
export interface Placed<Row> {
  column: Column<Row>;
  i: number;
  span: number;
}
/** The cells of a row; one may take the room from its column up to another one. */
export function placed<Row>(columns: readonly Column<Row>[], wide: { from: string; to: string } | null = null): Placed<Row>[] {
  const all = columns.map((column, i) => ({ column, i, span: 1 }));
  if (wide === null) return all;
  const from = columns.findIndex((c) => c.key === wide.from);
  const to = columns.findIndex((c) => c.key === wide.to);
  return all.filter(({ i }) => i <= from || i > to).map((one) => (one.i === from ? { ...one, span: to - from + 1 } : one));
}

/** Tops and bottoms of boxes, in pixels. */
interface Extent {
  top: number;
  bottom: number;
}
/** Where something of a height lies over a list without hiding one of its rows: at its foot, at its head, else below it. */
export const besideRow = (row: Extent, list: Extent, height: number): 'foot' | 'head' | 'below' =>
  row.bottom + height <= list.bottom ? 'foot' : row.top - height >= list.top ? 'head' : 'below';

/** A row as text for a sheet: its cells with tabs between. */
export const rowText = <Row>(columns: readonly Column<Row>[], row: Row): string =>
  columns.map((c) => c.text(row).replaceAll(/[\t\n\r]+/g, ' ')).join('\t');

/** Rows as text for a sheet, under the names of their columns. */
export const tableText = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string =>
  [columns.map((c) => c.label).join('\t'), ...rows.map((row) => rowText(columns, row))].join('\n');

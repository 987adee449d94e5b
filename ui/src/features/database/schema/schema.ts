// What the sizes of a database say: the sentence of the page, the rows of its list, the same as a sheet.
import type { BloatUnknown, DatabaseSizes, IndexSize, SizeGrowth, SizeTold, TableSize } from '../../../backend/types';
import { bytes, DASH, duration, format, integer, MINUS, plural, THIN } from '../../../kit/figures';
import { ago } from '../../../kit/format';
import type { Column } from '../../../kit/list';
import type { Said } from '../said';

/** A table, or an index below its table. */
export interface Row {
  key: string;
  name: string;
  table: TableSize;
  index: IndexSize | null;
  below: Row[] | null;
}

export const VIEWS = ['sizes', 'scans', 'vacuum'] as const;
export type View = (typeof VIEWS)[number];

/** What each view is sorted by. */
export const USUAL: Record<View, string> = { sizes: '-size', scans: '-scanned', vacuum: '-dead' };
const RANK: Record<View, (table: TableSize) => number | null> = {
  sizes: (t) => t.bytes,
  scans: (t) => t.scan_rows,
  vacuum: (t) => t.dead_rows,
};

/** The tables in the usual order of a view, what is not known last. */
const ranked = (tables: readonly TableSize[], view: View): TableSize[] =>
  [...tables].sort((a, b) => (RANK[view](b) ?? -1) - (RANK[view](a) ?? -1));

export const rowsOf = (sizes: DatabaseSizes, view: View): Row[] =>
  ranked(sizes.tables, view).map((table) => ({
    key: table.name,
    name: table.name,
    table,
    index: null,
    below:
      table.indexes.length === 0
        ? null
        : table.indexes.map((index) => ({ key: `index ${table.name} ${index.name}`, name: index.name, table, index, below: null })),
  }));

const indexes = (n: number): string => `${integer(n)} ${n === 1 ? 'index' : 'indexes'}`;

/** Bytes that something gained or lost: `+1.20 GB`; unknown is a dash. */
export const growthWord = (growth: SizeGrowth | null): string =>
  growth === null ? DASH : growth.bytes === 0 ? '0 B' : `${growth.bytes < 0 ? MINUS : '+'}${bytes(Math.abs(growth.bytes))}`;

/** For how long growth is known, in words. */
export function knownFor(growth: SizeGrowth, now: number): string {
  const days = (now - growth.since_ms) / 86_400_000;
  return days >= 2 ? plural(Math.floor(days), 'day') : duration(Math.max(0, days * 86_400));
}

/** What is said of growth beneath the answer: of all tables together, else that it is not known yet. */
function grown(sizes: DatabaseSizes, now: number): string {
  const { growth } = sizes;
  if (growth !== null) {
    const known = `the last ${knownFor(growth, now)}`;
    return growth.bytes === 0
      ? `It did not grow in ${known}.`
      : `It ${growth.bytes < 0 ? 'shrank' : 'grew'} by ${bytes(Math.abs(growth.bytes))} in ${known}.`;
  }
  return 'Growth is told from the second reading on, an hour after the first; they are kept for seven days.';
}

/** The answer of the page in a sentence: what is largest, and of how much. */
export function verdict(sizes: DatabaseSizes, now: number): Said & { support: string } {
  const tables = sizes.tables.length + sizes.tables_left_out;
  const many = sizes.tables.reduce((sum, t) => sum + t.indexes.length, sizes.indexes_left_out);
  const support = `Sizes by ${sizes.source}. ${grown(sizes, now)}`;
  if (tables === 0) return { strong: 'No tables', rest: 'that this user sees', support };
  const all = sizes.bytes === null ? null : `${sizes.bytes_exact ? '' : 'about '}${bytes(sizes.bytes)}`;
  const whole = `${plural(tables, 'table')} with ${indexes(many)}`;
  const [largest] = sizes.tables;
  if (!largest || largest.bytes === null) {
    return {
      strong: all === null ? whole : `${all} in ${whole};`,
      rest: all === null ? 'whose sizes are not known' : 'their sizes are not known',
      support,
    };
  }
  const part = sizes.bytes !== null && sizes.bytes > 0 ? `, ${format(Math.min(1, largest.bytes / sizes.bytes), 'ratio')} of it` : '';
  return {
    strong: `${all ?? 'Unknown size'} in ${whole};`,
    rest: `the largest is ${largest.name} with ${approximately(largest.bytes, largest.told)}${part}`,
    support,
  };
}

/** Whether a size is the catalogue's is said where it stands. */
export const approximately = (size: number | null, told: SizeTold): string =>
  size === null ? DASH : `${told === 'exact' ? '' : '~'}${bytes(size)}`;

/** Why a size is not measured; null where it is. */
export function whyNot(told: SizeTold, size: number | null): string | null {
  if (told === 'exact') return null;
  if (told === 'locked') return 'locked exclusively: the size is the catalogue’s, of the last vacuum or analyze';
  return size === null ? 'not known' : 'not measured: the size is the catalogue’s or a statistic';
}

const UNKNOWN: Record<BloatUnknown, string> = {
  hidden: 'hidden',
  not_analyzed: 'not analyzed',
  no_statistics: 'no statistics',
  partial: DASH,
  kind: DASH,
  time: DASH,
  unsupported: DASH,
};
export const whyNoBloat: Record<BloatUnknown, string> = {
  hidden: 'its statistics are hidden from this user',
  not_analyzed: 'it was never analyzed, so that nothing is known of its columns',
  no_statistics: 'one of its columns has no statistics: it was added since the last analyze, or they are switched off',
  partial: 'it has a part of the rows, and the statistics are of all of them: measure it',
  kind: 'nothing is known of how such an index is laid out',
  time: 'time ran out before it was estimated',
  unsupported: 'this kind of database tells nothing of it',
};
export const bloatWord = (of: { bloat: number | null; bloat_unknown: BloatUnknown | null }): string =>
  of.bloat !== null ? `${integer(of.bloat * 100)}${THIN}%` : of.bloat_unknown ? UNKNOWN[of.bloat_unknown] : DASH;

/** Bytes that values stored apart have where there are none: an empty index. */
const NO_TOAST = 16_384;

/** What the bloat of a table leaves out, and the least that is known of it; null where nothing is stored apart. */
export function toastBloat(t: TableSize): string | null {
  if (t.toast_bytes === null || t.toast_bytes <= NO_TOAST) return null;
  const least = Math.floor((t.toast_bloat ?? 0) * 100);
  return least >= 1 ? `toast ≥${THIN}${integer(least)}${THIN}%` : 'without toast';
}

/** A count, whole as far as it is read as such. */
const count = (n: number | null): string =>
  n === null ? DASH : Number.isInteger(n) && Math.abs(n) < 1e6 ? integer(n) : format(n, 'count');
const of = (row: Row): TableSize | IndexSize => row.index ?? row.table;
const rowsWord = (t: TableSize): string => (t.rows === null ? DASH : `${t.rows_exact ? '' : '~'}${count(t.rows)}`);

/** A figure of tables; their indexes have none. */
const figure = (
  key: string,
  label: string,
  read: (t: TableSize) => number | null,
  word: (n: number | null, t: TableSize) => string,
  width: number,
): Column<Row> => ({
  key,
  label,
  text: (row) => (row.index ? '' : word(read(row.table), row.table)),
  sort: (row) => (row.index ? null : read(row.table)),
  numeric: true,
  width,
});
const sized = (n: number | null, t: TableSize): string => (n === null ? DASH : approximately(n, t.parts_told));

const name: Column<Row> = { key: 'name', label: 'table, index', text: (row) => row.name, sort: (row) => row.name, grow: 4, least: 200 };
const size: Column<Row> = {
  key: 'size',
  label: 'size',
  text: (row) => approximately(of(row).bytes, of(row).told),
  sort: (row) => of(row).bytes,
  numeric: true,
  width: 92,
};
const rows = figure(
  'rows',
  'rows',
  (t) => t.rows,
  (_, t) => rowsWord(t),
  84,
);

/** The share of a table's size that its indexes have. */
export const indexShare = (t: TableSize): number | null =>
  t.index_bytes === null || t.bytes === null || t.bytes <= 0 ? null : t.index_bytes / t.bytes;

const moment = (key: string, label: string, read: (t: TableSize) => number | null, now: number): Column<Row> => ({
  key,
  label,
  text: (row) => {
    const ms = row.index ? null : read(row.table);
    return row.index ? '' : ms === null ? DASH : ago(ms, now);
  },
  sort: (row) => (row.index ? null : read(row.table)),
  moment: true,
  soft: true,
  width: 104,
});

/** Columns of a view; `all` is the size of the database. */
export function columnsOf(view: View, all: number | null, now: number): readonly Column<Row>[] {
  if (view === 'scans') {
    return [
      name,
      figure('scanned', 'rows read by scans', (t) => t.scan_rows, count, 128),
      figure('scans', 'scans', (t) => t.scans, count, 84),
      {
        key: 'lookups',
        label: 'index scans',
        text: (row) => count(row.index ? row.index.scans : row.table.index_scans),
        sort: (row) => (row.index ? row.index.scans : row.table.index_scans),
        numeric: true,
        width: 92,
      },
      rows,
      size,
    ];
  }
  if (view === 'vacuum') {
    const due = (n: number | null): string => (n === null ? 'off' : count(Math.round(n)));
    return [
      name,
      figure('dead', 'dead rows', (t) => t.dead_rows, count, 84),
      figure(
        'due',
        'vacuum at',
        (t) => t.vacuum_at_rows,
        (n, t) => (t.dead_rows === null ? DASH : due(n)),
        84,
      ),
      moment('vacuumed', 'vacuumed', (t) => t.vacuumed_ms, now),
      figure('changed', 'changed rows', (t) => t.changed_rows, count, 96),
      figure(
        'stale',
        'analyze at',
        (t) => t.analyze_at_rows,
        (n, t) => (t.changed_rows === null ? DASH : due(n)),
        84,
      ),
      moment('analyzed', 'analyzed', (t) => t.analyzed_ms, now),
      rows,
    ];
  }
  const share = (row: Row): number | null => {
    const bytes = of(row).bytes;
    return all === null || all <= 0 || bytes === null ? null : bytes / all;
  };
  return [
    name,
    { key: 'share', label: 'share', text: (row) => format(share(row), 'ratio'), sort: share, numeric: true, width: 130 },
    size,
    {
      key: 'growth',
      label: 'growth',
      text: (row) => growthWord(of(row).growth),
      sort: (row) => of(row).growth?.bytes ?? null,
      numeric: true,
      width: 88,
    },
    figure('heap', 'rows only', (t) => t.table_bytes, sized, 80),
    figure('indexes', 'indexes', (t) => t.index_bytes, sized, 80),
    figure('part', 'index share', indexShare, (n) => format(n, 'ratio'), 80),
    figure('toast', 'toast', (t) => t.toast_bytes, sized, 76),
    rows,
    {
      key: 'bloat',
      label: 'bloat',
      text: (row) =>
        row.index?.measured
          ? format(row.index.measured.bloat, 'ratio')
          : [bloatWord(of(row)), row.index ? null : toastBloat(row.table)].filter((word) => word !== null).join(', '),
      sort: (row) => row.index?.measured?.bloat ?? of(row).bloat,
      numeric: true,
      width: 148,
    },
  ];
}

/** Words about an index beside its name. */
export const kindOf = (index: IndexSize): string =>
  [
    index.kind,
    ...(index.primary ? ['primary key'] : index.unique ? ['unique'] : []),
    ...(index.partial ? ['partial'] : []),
    ...(index.valid ? [] : ['invalid']),
  ].join(', ');

/** Words about a table beside its name. */
export const tableWord = (t: TableSize): string =>
  t.partition_of !== null ? `partition of ${t.partition_of}` : t.kind === 'materialized_view' ? 'materialized view' : '';

const cell = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Everything as a sheet: one line a table and one an index, in plain bytes and milliseconds; unknown is empty. */
export function csv(sizes: DatabaseSizes): string {
  const head = [
    'table', 'index', 'kind', 'bytes', 'told', 'table_bytes', 'index_bytes', 'toast_bytes', 'free_bytes', 'rows', 'rows_exact', 'bloat',
    'growth_bytes', 'growth_since_ms', 'bloat_measured',
    'scans', 'scan_rows', 'index_scans', 'dead_rows', 'vacuum_at_rows', 'changed_rows', 'analyze_at_rows', 'vacuumed_ms', 'analyzed_ms',
  ]; // prettier-ignore
  const n = (value: number | null): string => (value === null ? '' : String(value));
  const lines = sizes.tables.flatMap((t) => [
    [
      t.name, '', t.kind, n(t.bytes), t.told, n(t.table_bytes), n(t.index_bytes), n(t.toast_bytes), n(t.free_bytes), n(t.rows),
      String(t.rows_exact), n(t.bloat), n(t.growth?.bytes ?? null), n(t.growth?.since_ms ?? null), '', n(t.scans), n(t.scan_rows), n(t.index_scans), n(t.dead_rows), n(t.vacuum_at_rows),
      n(t.changed_rows), n(t.analyze_at_rows), n(t.vacuumed_ms), n(t.analyzed_ms),
    ],
    ...t.indexes.map((i) => [
      t.name, i.name, kindOf(i), n(i.bytes), i.told, '', '', '', '', '', '', n(i.bloat), n(i.growth?.bytes ?? null), n(i.growth?.since_ms ?? null),
      n(i.measured?.bloat ?? null), n(i.scans),
      ...Array<string>(8).fill(''),
    ]),
  ]); // prettier-ignore
  return [head, ...lines].map((line) => line.map(cell).join(',')).join('\n') + '\n';
}

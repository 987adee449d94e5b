// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { DatabaseSizes, IndexBloat, IndexSize, JobStatus, MeasuredBloat, TableSize } from '../../../backend/types';
import { fakeApp } from '../../../testing/app';
import { target } from '../../../testing/values';
import Page from './Page.svelte';
import { columnsOf, csv, kindOf, rowsOf, toastBloat, verdict } from './schema';

const index = (of: Partial<IndexSize> = {}): IndexSize => ({
  name: 'public.orders_pkey',
  kind: 'btree',
  bytes: 2 ** 20,
  told: 'exact',
  unique: true,
  primary: true,
  partial: false,
  valid: true,
  scans: 7,
  bloat: 0.02,
  bloat_unknown: null,
  growth: null,
  measured: null,
  ...of,
});
const table = (of: Partial<TableSize> = {}): TableSize => ({
  name: 'public.orders',
  kind: 'table',
  partition_of: null,
  bytes: 4 * 2 ** 20,
  told: 'exact',
  growth: null,
  parts_told: 'exact',
  table_bytes: 3 * 2 ** 20,
  index_bytes: 2 ** 20,
  toast_bytes: 0,
  free_bytes: null,
  rows: 20_000,
  rows_exact: false,
  bloat: null,
  bloat_unknown: 'hidden',
  toast_bloat: null,
  scans: 3,
  scan_rows: 60_000,
  index_scans: 7,
  dead_rows: 12,
  vacuum_at_rows: null,
  changed_rows: 12,
  analyze_at_rows: 2_050,
  vacuumed_ms: null,
  analyzed_ms: 1000,
  indexes: [index()],
  ...of,
});
const sizes = (of: Partial<DatabaseSizes> = {}): DatabaseSizes => ({
  tables: [table(), table({ name: 'public.small', bytes: 2 ** 20, told: 'locked', scan_rows: 90_000, indexes: [] })],
  tables_left_out: 0,
  indexes_left_out: 0,
  bytes: 5 * 2 ** 20,
  bytes_exact: true,
  growth: null,
  source: 'the server’s size functions',
  counted_since_ms: null,
  missing: [],
  grants: [],
  ...of,
});
const bloat = (of: Partial<IndexBloat> = {}): IndexBloat => ({
  index: 'public.orders_pkey',
  reads_bytes: 2 ** 20,
  dead_rows: null,
  refused: null,
  fix: null,
  measured: null,
  ...of,
});
const plain = (text: string | null): string => (text ?? '').replaceAll(/[\u2009\u202f]/g, ' ');
const there = {
  environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['database'] },
  targets: [target({ version: 'PostgreSQL 15.18' })],
  path: '/database/schema',
};
const names = (): (string | undefined)[] => screen.queryAllByTestId('schema-row').map((r) => r.dataset['name']);

test('the sentence says what is largest and of how much, and that growth is not known', () => {
  const said = verdict(sizes(), 0);
  expect(plain(`${said.strong} ${said.rest}`)).toBe(
    '5.00 MiB in 2 tables with 1 index; the largest is public.orders with 4.00 MiB, 80.0 % of it',
  );
  expect(said.support).toContain('Growth is told from the second reading on');
  const day = 86_400_000;
  const grown = (bytes: number): string => plain(verdict(sizes({ growth: { bytes, since_ms: day } }), 7 * day).support);
  expect(grown(2 ** 20)).toContain('It grew by 1.00 MiB in the last 6 days.');
  expect(grown(-(2 ** 20))).toContain('It shrank by 1.00 MiB');
  expect(plain(verdict(sizes({ bytes_exact: false, tables_left_out: 9, indexes_left_out: 3 }), 0).strong)).toBe(
    'about 5.00 MiB in 11 tables with 4 indexes;',
  );
  expect(verdict(sizes({ tables: [], bytes: null }), 0).strong).toBe('No tables');
});

test('what is estimated says of what it is, and what is not why', () => {
  const large = table({ bloat: 0, bloat_unknown: null, toast_bytes: 2 ** 25, toast_bloat: 0.806, told: 'locked', parts_told: 'locked' });
  expect(plain(toastBloat(large) ?? '')).toBe('toast ≥ 80 %');
  expect(toastBloat(table({ toast_bytes: 2 ** 25 })), 'never vacuumed').toBe('without toast');
  expect(toastBloat(table({ toast_bytes: 8192 })), 'nothing is stored apart').toBeNull();
  const [row] = rowsOf(sizes({ tables: [large] }), 'sizes');
  const word = (key: string): string =>
    plain(
      (row &&
        columnsOf('sizes', null, 0)
          .find((c) => c.key === key)
          ?.text(row)) ??
        '',
    );
  expect(word('bloat')).toBe('0 %, toast ≥ 80 %');
  expect([word('size'), word('heap'), word('toast')], 'parts of what is not measured').toEqual(['~4.00 MiB', '~3.00 MiB', '~32.0 MiB']);
  expect(kindOf(index({ primary: false, unique: false, partial: true }))).toBe('btree, partial');
});

test('tables are listed largest first, unfold to their indexes, and the first are there before all are', async () => {
  const asked: (number | null)[] = [];
  const { context } = fakeApp(
    {
      'db.sizes': ({ limit }) => {
        asked.push(limit);
        return sizes(asked.length === 1 ? { tables_left_out: 3 } : {});
      },
    },
    there,
  );
  render(Page, { context });
  await waitFor(() => expect(asked).toEqual([200, 10_000]));
  await waitFor(() => expect(names()).toEqual(['public.orders', 'public.small']));
  expect(screen.getByTestId('schema-table-count').textContent, 'tables are counted, not their indexes').toBe('2 tables');
  await fireEvent.click(screen.getByTestId('schema-table-fold'));
  expect(names()).toEqual(['public.orders', 'public.orders_pkey', 'public.small']);
  const rows = screen.getAllByTestId('schema-row').map((r) => plain(r.textContent));
  expect(rows[0], 'what is hidden is no figure').toContain('hidden');
  expect(rows[1]).toMatch(/1.00 MiB.*2 %/);
  expect(rows[2], 'a locked one has the estimate').toMatch(/locked\s*~1.00 MiB/);
});

test('what is read by scans is ranked by rows, and everything is found, copied and exported', async () => {
  const { context, address } = fakeApp({ 'db.sizes': () => sizes() }, there);
  render(Page, { context });
  await waitFor(() => expect(names()).toHaveLength(2));
  await fireEvent.click(screen.getByTestId('schema-view-scans'));
  await waitFor(() => expect(names()).toEqual(['public.small', 'public.orders']));
  expect(address.param('view')).toBe('scans');
  let copied = '';
  Object.assign(navigator, { clipboard: { writeText: async (text: string) => void (copied = text) } });
  await fireEvent.click(screen.getByTestId('schema-copy'));
  await waitFor(() => expect(plain(copied)).toMatch(/^table, index\trows read by scans\t.*\npublic.small\t90 000/));
  expect(copied, 'indexes too').toContain('public.orders_pkey');
  await fireEvent.input(screen.getByTestId('schema-table-filter'), { target: { value: 'pkey' } });
  await waitFor(() => expect(names()).toEqual(['public.orders', 'public.orders_pkey']));
  const lines = csv(sizes()).split('\n');
  expect(lines[1]).toMatch(/^public.orders,,table,4194304,exact,/);
  expect(lines[2]).toMatch(/^public.orders,public.orders_pkey,"btree, primary key",1048576,exact,/);
  const cells = lines.slice(0, 4).map((line) => line.replaceAll(/"[^"]*"/g, '').split(',').length);
  expect(new Set(cells).size, 'each line has every cell').toBe(1);
});

test('an index is measured on request, with its cost first', async () => {
  const measured = {
    bloat: 0.31,
    density: 0.62,
    fillfactor: 0.9,
    leaf_pages: 120,
    deleted_pages: 3,
    empty_pages: 0,
    took_ms: 12,
    at_ms: 5,
  };
  let kept: MeasuredBloat | null = null;
  const cancelled: string[] = [];
  const job = (of: Partial<JobStatus> = {}): JobStatus => ({
    id: 'j1', kind: 'bloat', title: 'Bloat of public.orders_pkey', environment_id: 'shop', state: 'running', progress: null,
    step: 'reading 1.00 MiB, at most 60 s', started_ms: 0, finished_ms: null, cancellable: true, error: null, result: null, ...of,
  }); // prettier-ignore
  const { context, address, push, calls } = fakeApp(
    {
      'db.sizes': () => sizes(),
      'db.bloat': () => bloat({ measured: kept }),
      'db.measure_bloat': () => job(),
      'job.get': () => job(),
      'job.cancel': ({ id }) => (cancelled.push(id), true),
    },
    there,
  );
  render(Page, { context });
  await waitFor(() => expect(names()).toHaveLength(2));
  await fireEvent.click(screen.getByTestId('schema-table-fold'));
  await fireEvent.click(screen.getByText('public.orders_pkey'));
  expect(address.param('object')).toContain('public.orders_pkey');
  const button = await screen.findByTestId('schema-measure');
  expect(plain(screen.getByTestId('schema-index').textContent)).toContain('reads 1.00 MiB');
  await fireEvent.click(button);
  await fireEvent.click(await screen.findByTestId('schema-measure-stop'));
  expect(cancelled).toEqual(['j1']);
  push({ jobs: [job({ state: 'cancelled' })] });
  expect((await screen.findByTestId('schema-stopped')).textContent).toContain('does not read it any more');
  await fireEvent.click(screen.getByTestId('schema-measure'));
  await screen.findByTestId('schema-measure-stop');
  kept = measured;
  push({ jobs: [job({ state: 'done' })] });
  await waitFor(() => expect(plain(screen.getByTestId('schema-index').textContent)).toContain('31.0 %'));
  const row = (): string =>
    plain(screen.getAllByTestId('schema-row').find((r) => r.dataset['name'] === 'public.orders_pkey')?.textContent ?? '');
  await waitFor(() => expect(row(), 'it stands in the row too').toContain('measured 31.0 %'));
  expect(
    calls.filter((c) => c === 'db.bloat'),
    'asked when it was chosen and when it was measured',
  ).toHaveLength(2);
  expect(screen.getByTestId('schema-measure').textContent).toBe('Measure again');
});

test('what is not there and what is not allowed are different answers', async () => {
  const grant = 'GRANT pg_read_all_data TO "reader";';
  const { context } = fakeApp({ 'db.sizes': () => sizes({ missing: ['2 tables hide'], grants: [grant] }) }, there);
  render(Page, { context });
  expect((await screen.findByTestId('schema-missing')).textContent).toBe('2 tables hide.');
  expect(screen.getByTestId('schema-answer').textContent).toContain(grant);
  const empty = fakeApp({ 'db.sizes': () => sizes({ tables: [], bytes: 0 }) }, there);
  render(Page, { context: empty.context });
  expect((await screen.findByTestId('schema-none')).textContent).toContain('no table that this user sees');
});

test('a failure says why, and what was read stays', async () => {
  let well = true;
  const { context } = fakeApp(
    {
      'db.sizes': () => {
        if (well) return sizes();
        throw { code: 'timeout', message: 'It did not answer', hint: 'Wait', retryable: true };
      },
    },
    there,
  );
  render(Page, { context });
  await waitFor(() => expect(names()).toHaveLength(2));
  well = false;
  await fireEvent.click(screen.getByTestId('schema-again'));
  expect((await screen.findByTestId('schema-failure')).textContent).toContain('It did not answer');
  expect(names()).toHaveLength(2);
});

test('a statement is led to its plan', async () => {
  const { context, address } = fakeApp({ 'db.sizes': () => sizes() }, there);
  render(Page, { context });
  await fireEvent.input(screen.getByTestId('explain-statement'), { target: { value: 'SELECT 1 & 2' } });
  await fireEvent.click(screen.getByTestId('explain-open'));
  expect([address.path, address.param('statement')]).toEqual(['/database/plan', 'SELECT 1 & 2']);
});

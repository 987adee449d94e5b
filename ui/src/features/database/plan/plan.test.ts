// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { PlanNode, StatementPlan } from '../../../backend/types';
import { fakeApp } from '../../../testing/app';
import { target } from '../../../testing/values';
import Page from './Page.svelte';
import { offWord, verdict } from './plan';

const node = (of: Partial<PlanNode> = {}): PlanNode => ({
  depth: 0,
  name: 'Sort',
  relation: null,
  index: null,
  detail: null,
  conditions: [],
  own_ms: null,
  total_ms: null,
  loops: null,
  estimated_rows: 1,
  rows: null,
  off_by: null,
  overestimated: false,
  removed_rows: null,
  buffers: null,
  read_buffers: null,
  temp_buffers: null,
  io_ms: null,
  cost: 12.5,
  ...of,
});
const scan = (of: Partial<PlanNode> = {}): PlanNode =>
  node({ depth: 1, name: 'Seq Scan', relation: 'shifts', conditions: [{ kind: 'filter', text: 'day > ?' }], ...of });
const plan = (of: Partial<StatementPlan> = {}): StatementPlan => ({
  server: 'PostgreSQL 15.18',
  statement: 'SELECT ?',
  measured: false,
  generic: false,
  nodes: [node(), scan()],
  nodes_left_out: 0,
  planning_ms: null,
  execution_ms: null,
  notes: [],
  text: 'the tree',
  json: '[{}]',
  ...of,
});
const measured = plan({
  measured: true,
  planning_ms: 0.03,
  execution_ms: 6.42,
  nodes: [
    node({ own_ms: 0.05, loops: 1, rows: 14, off_by: 14, buffers: 0 }),
    scan({
      own_ms: 4.61,
      loops: 1,
      rows: 14,
      estimated_rows: 1,
      off_by: 14,
      buffers: 398,
      read_buffers: 22,
      io_ms: 1.5,
      removed_rows: 4196,
    }),
    node({ depth: 1, name: 'Index Scan', index: 'rooms_pkey', own_ms: 0.31, loops: 14, rows: 1, off_by: 1, buffers: 42 }),
    node({ depth: 1, name: 'Result', loops: 0, own_ms: 0 }),
  ],
});
const plain = (text: string | null): string =>
  (text ?? '')
    .replaceAll(/[\u2009\u202f]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
const at = (statement: string) => ({
  environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['database'] },
  targets: [target()],
  path: `/database/plan?statement=${encodeURIComponent(statement)}`,
});
const nodes = (): string[] => screen.queryAllByTestId('plan-node').map((r) => plain(r.textContent));

test('the sentence says what is read in full, or what takes the time', () => {
  const words = (of: StatementPlan): string => plain(`${verdict(of).strong} ${verdict(of).rest}`);
  expect(words(plan())).toBe('2 steps, shifts read in full; estimated cost 12.5, not run');
  expect(words(plan({ nodes: [node({ cost: null })] }))).toBe('1 step, no table is read in full; estimated, not run');
  expect(words(measured)).toBe('Seq Scan on shifts takes 93 % of the time; 6.42 ms in all');
  expect([offWord(node({ off_by: 1 })), offWord(node({ off_by: 111.4 }))]).toEqual(['–', '×111']);
});

test('a plan is read without running it, then measured, and copied as text and as JSON', async () => {
  const asked: boolean[] = [];
  const { context } = fakeApp(
    { 'db.plan': ({ analyze }) => (asked.push(analyze), analyze ? measured : plan()) },
    at('SELECT * FROM shifts'),
  );
  render(Page, { context });
  await waitFor(() => expect(nodes()).toHaveLength(2));
  expect(asked).toEqual([false]);
  expect(screen.getByTestId('plan-condition').textContent).toContain('day > ?');
  let copied = '';
  Object.assign(navigator, { clipboard: { writeText: async (text: string) => void (copied = text) } });
  await fireEvent.click(screen.getByTestId('plan-copy-text'));
  expect(copied).toBe('the tree');
  await fireEvent.click(screen.getByTestId('plan-copy-json'));
  expect(copied).toBe('[{}]');
  await fireEvent.click(screen.getByTestId('plan-measure'));
  await waitFor(() => expect(nodes()).toHaveLength(4));
  expect(asked).toEqual([false, true]);
  const [, seq, loops, never] = nodes();
  expect(seq).toMatch(/Seq Scan shifts.*4.61 ?1 ?14 ?×14 ?398 ?22 ?1.50$/);
  expect(loops).toContain('14 loops');
  expect(never, 'what never ran has no rows').toMatch(/never run.*–/);
  expect(plain(screen.getByTestId('plan-all').textContent)).toContain('6.45');
  expect(plain(screen.getByTestId('plan-table').textContent)).toContain('removed by filter');
});

test('a guard keeps it from running until its name is typed, and the plan stays', async () => {
  const unlocked: (string | null)[] = [];
  const { context } = fakeApp(
    {
      'env.unlock': ({ confirm }) => (unlocked.push(confirm), 1),
      'db.plan': ({ analyze }) => {
        if (analyze && unlocked.length > 0) return measured;
        if (analyze) throw { code: 'guarded', message: 'It is production', hint: 'Unlock it', remedy: 'unlock', retryable: false };
        return plan();
      },
    },
    at('SELECT 1'),
  );
  render(Page, { context });
  await waitFor(() => expect(nodes()).toHaveLength(2));
  await fireEvent.click(screen.getByTestId('plan-measure'));
  expect((await screen.findByTestId('plan-failure')).textContent).toMatch(/Not measured\s*It is production/);
  expect(nodes()).toHaveLength(2);
  const run = screen.getByTestId<HTMLButtonElement>('change-confirmed');
  expect(run.disabled, 'not before its name is typed').toBe(true);
  await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId('change-confirm-name')));
  await fireEvent.input(screen.getByTestId('change-confirm-name'), { target: { value: 'shop' } });
  await fireEvent.click(run);
  await waitFor(() => expect(nodes()).toHaveLength(4));
  expect(unlocked).toEqual(['shop']);
  expect(screen.queryByTestId('plan-failure')).toBeNull();
  const table = plain(screen.getByTestId('plan-table').textContent);
  expect(table, 'pages from outside, and the time for them').toMatch(/buffers ?read ?I\/O ms/);
  expect(table, 'no temporary pages were needed').not.toContain('temporary');
});

test('a missing right shows its grant to copy, and another statement is another address', async () => {
  const grant = 'GRANT pg_read_all_data TO "reader";';
  const { context, address } = fakeApp(
    {
      'db.plan': () => {
        throw { code: 'privilege', message: 'It may not read a table', hint: grant, retryable: false };
      },
    },
    at('SELECT 1'),
  );
  render(Page, { context });
  expect((await screen.findByTestId('copy-fix')) !== null).toBe(true);
  await fireEvent.input(screen.getByTestId('plan-statement'), { target: { value: 'SELECT 2' } });
  await fireEvent.click(screen.getByTestId('plan-show'));
  expect(address.param('statement')).toBe('SELECT 2');
});

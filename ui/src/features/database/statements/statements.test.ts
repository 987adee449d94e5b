// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { PlanShape, StatementChange, StatementDetail, StatementPlan, StatementRow, Statements } from '../../../backend/types';
import { fakeApp } from '../../../testing/app';
import { target } from '../../../testing/values';
import Page from './Page.svelte';
import { changeLine, flagsOf, planWord, treesOf } from './plans';
import { changeWord, gapLines, intervalWord, ratioAt, restWord, shortSql, sparkline, verdict } from './statements';

const plain = (text: string | null | undefined): string =>
  (text ?? '')
    .replaceAll(/[\u2009\u202f]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
const NOW = Date.UTC(2026, 10, 20, 17, 12);
const row = (of: Partial<StatementRow> = {}): StatementRow => ({
  key: '1',
  statement: 'SELECT * FROM orders WHERE id = $1',
  nested: false,
  share: 0.5,
  calls: 1000,
  total_ms: 5000,
  mean_ms: 5,
  rows_per_call: 1,
  buffers_per_call: 4,
  reads_per_call: 0,
  wal_bytes_per_call: 0,
  temp_per_call: 0,
  first_seen_ms: NOW - 86_400_000,
  was_ms: 4.9,
  change: null,
  plan_changed_ms: null,
  means: [],
  ...of,
});
const change = (of: Partial<StatementChange> = {}): StatementChange => ({
  change: 2,
  low: 1.96,
  high: 2.04,
  verdict: 'slower',
  before: 12,
  now: 12,
  ...of,
});
const statements = (of: Partial<Statements> = {}): Statements => ({
  state: null,
  source: 'pg_stat_statements 1.10',
  own_counted: null,
  unread: null,
  since_ms: NOW - 86_400_000,
  next_ms: NOW + 10_000,
  coverage: { from_ms: NOW - 3_600_000, to_ms: NOW, observed_s: 3600, windows: 12 },
  gaps: [],
  gaps_left_out: 0,
  total_ms: 10_000,
  calls: 2000,
  rows: [row(), row({ key: '2', statement: 'SELECT count(*) FROM payments', share: 0.3 })],
  others: null,
  hidden: null,
  compared: { with: 'week_before', from_ms: NOW - 7 * 86_400_000 - 3_600_000, to_ms: NOW - 7 * 86_400_000, windows: 12 },
  means_from_ms: NOW - 7 * 86_400_000,
  means_step_ms: 3_600_000,
  ...of,
});
const none = { coverage: { from_ms: null, to_ms: null, observed_s: 0, windows: 0 }, rows: [], total_ms: 0, calls: 0, compared: null };
const there = {
  environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['database'] },
  targets: [target()],
  path: '/database/statements',
} as const;
const shape = (name: string, nodes: [number, string, string | null, string | null][]): PlanShape => ({
  name,
  nodes: nodes.map(([depth, node, relation, index]) => ({ depth, name: node, relation, index })),
  nodes_left_out: 0,
});
const planned: StatementPlan = {
  server: 'PostgreSQL 15.18',
  statement: 'SELECT',
  measured: false,
  generic: true,
  nodes: [],
  nodes_left_out: 0,
  planning_ms: null,
  execution_ms: null,
  notes: [],
  text: 'Seq Scan',
  json: '{}',
};
const app = (answer: Statements, detail?: StatementDetail) =>
  fakeApp(
    { 'db.statements': () => answer, ...(detail ? { 'db.statement': () => detail } : {}), 'db.plan': () => planned },
    { ...there, environment: { ...there.environment, roles: ['database'] }, targets: [...there.targets] },
  );

test('the sentence names the few that take most of the time, and the one that got slower', () => {
  const said = verdict(statements({ rows: [row({ change: change() }), row({ key: '2', share: 0.3 }), row({ key: '3', share: 0.1 })] }))!;
  expect(plain(said.strong)).toBe('2 statements take 80 % of database time');
  expect(plain(said.rest)).toBe('one got 3.0 × slower');
  expect(plain(said.support)).toContain('compared with same time last Friday');
  const spread = Array.from({ length: 40 }, (_, i) => row({ key: String(i), share: 0.025 }));
  expect(plain(verdict(statements({ rows: spread }))!.strong), 'no few of them').toBe('The heaviest statement takes 3 % of database time');
  expect(verdict(statements(none)), 'without windows there is nothing to say').toBeNull();
  expect(plain(verdict(statements({ total_ms: 102.5 }))!.support), 'little is not nothing').toMatch(/^10[23] ms of database time/);
});

test('a change is said only where windows show one', () => {
  expect(changeWord(row()), 'too few windows').toBe('–');
  expect(plain(changeWord(row({ change: change() })))).toBe('× 3.0');
  expect(plain(changeWord(row({ change: change({ change: -0.31, low: -0.33, high: -0.29, verdict: 'faster' }) })))).toBe('−31 %');
  const small = row({ change: change({ change: 0.02, low: 0.017, high: 0.032, verdict: 'real_but_small' }) });
  expect([changeWord(small), intervalWord(small)]).toEqual(['Real but small', '+1.7 to +3.2']);
  expect(ratioAt(1), 'even is a third of the way from a half to four').toBeCloseTo(1 / 3);
});

test('in a narrow column a statement shows what tells it apart', () => {
  for (const [whole, short] of [
    ['SELECT id, user_id, staff_id, starts_at FROM appointments WHERE id = ?', 'SELECT … FROM appointments WHERE id = ?'],
    ['SELECT (SELECT max(x) FROM a WHERE b), other FROM c', 'SELECT … FROM c'],
    ['SELECT count(*) FROM a', 'SELECT count(*) FROM a'],
    ['INSERT INTO events (a, b, c, d, e, f, g) VALUES ($1, $2)', 'INSERT INTO events (…) VALUES ($1, $2)'],
    ['UPDATE a SET b = 1', 'UPDATE a SET b = 1'],
    ['SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9', 'SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9'],
  ])
    expect(shortSql(whole!), whole).toBe(short);
});

test('what is not listed is counted, and no hour without calls is a point', () => {
  const rest = restWord(statements({ others: { statements: 3, total_ms: 1, calls: 1, share: 0.2 } }), [row()])!;
  expect([rest.count, plain(rest.words)]).toEqual([4, '4 more statements, none above 30.0 %']);
  expect(sparkline([1, 2, null, 3], 30, 20).match(/M/g), 'a gap is a gap').toHaveLength(2);
  expect(sparkline([null, null], 30, 20)).toBe('');
  const gaps = gapLines([{ from_ms: NOW, to_ms: NOW + 300_000, kind: 'evicted', entries: 4 }], 0);
  expect(plain(gaps[0])).toMatch(/dropped entries.*; 4 entries$/);
});

test('statements are listed with their share, the first of them, and all when asked for', async () => {
  const rows = Array.from({ length: 12 }, (_, i) => row({ key: String(i), share: 0.3 / (i + 1), statement: `SELECT ${i} FROM t` }));
  const { context } = app(statements({ rows }));
  render(Page, { context });
  await waitFor(() => expect(screen.getAllByTestId('top-statement')).toHaveLength(8));
  expect(plain(screen.getAllByTestId('top-statement')[0]!.textContent)).toContain('30.0');
  expect(plain(screen.getByTestId('top-statements-rest').textContent)).toContain('4 more statements');
  await fireEvent.click(screen.getByTestId('top-statements-all'));
  expect(screen.getAllByTestId('top-statement')).toHaveLength(12);
});

test('a statement whose plan changed within the time says when', async () => {
  const { context } = app(statements({ rows: [row({ plan_changed_ms: NOW - 60_000 }), row({ key: '2' })] }));
  render(Page, { context });
  await waitFor(() => expect(screen.getAllByTestId('top-statement')).toHaveLength(2));
  expect(screen.getAllByTestId('top-statement-replanned').map((e) => e.textContent)).toEqual([
    expect.stringMatching(/^plan changed \d\d:\d\d$/),
  ]);
});

test('a chosen statement is shown whole with its windows, and leads to a benchmark of it', async () => {
  const whole = 'SELECT * FROM orders WHERE id = $1 AND shop = $2';
  const windows = [{ from_ms: NOW - 300_000, to_ms: NOW, calls: 10, total_ms: 50 }];
  const { context, address } = app(statements(), {
    key: '1',
    statement: whole,
    cut_of: null,
    first_seen_ms: NOW,
    windows,
    plans: [],
    no_plan: null,
  });
  render(Page, { context });
  await fireEvent.click((await screen.findAllByTestId('top-statement'))[0]!);
  await waitFor(() => expect(screen.getByTestId('chosen-statement-text').textContent).toBe(whole));
  expect(address.query).toContain('statement=1');
  await fireEvent.click(screen.getByTestId('chosen-statement-benchmark'));
  expect([address.path, address.param('kind'), address.param('statement')]).toEqual(['/benchmarks/new', 'sql', whole]);
});

test('a server that counts nothing says why, with what changes it to copy', async () => {
  const why = {
    reason: 'pg_stat_statements is not loaded by this server',
    hint: 'Add it and restart',
    fix: 'CREATE EXTENSION pg_stat_statements;',
  };
  const { context } = app(statements({ ...none, state: { kind: 'unavailable', why } }));
  render(Page, { context });
  await waitFor(() => expect(plain(screen.getByTestId('statements-answer').textContent)).toContain(`Not available: ${why.reason}`));
  expect(screen.getByText(why.fix)).toBeTruthy();
  expect(screen.queryByTestId('top-statements'), 'it is no empty list').toBeNull();
});

test('before the first figures it is said when they come', async () => {
  const { context } = app(statements({ ...none, since_ms: null, next_ms: Date.now() + 7_000 }));
  render(Page, { context });
  await waitFor(() => expect(plain(screen.getByTestId('statements-soon').textContent)).toMatch(/come in about [678] s/));
});

test('what this user may not tell apart, own statements and gaps are said', async () => {
  const hidden = { statements: 5, total_ms: 100, calls: 7, share: 0.25, grant: 'GRANT pg_monitor TO "reader";' };
  const gaps = [{ from_ms: NOW - 600_000, to_ms: NOW - 300_000, kind: 'reset' as const, entries: 0 }];
  const own = 'GRANT UPDATE ON performance_schema.threads TO x;';
  const { context } = app(statements({ hidden, gaps, own_counted: own, rows: [row({ statement: null })] }));
  render(Page, { context });
  await waitFor(() => expect(plain(screen.getByTestId('statements-unseen').textContent)).toContain('5 statements of other users, 25.0 %'));
  expect(screen.getByText(hidden.grant)).toBeTruthy();
  expect(screen.getByText(own)).toBeTruthy();
  expect(screen.getByTestId('statements-gap').textContent).toContain('counters were reset');
  expect(screen.getByTestId('top-statement').textContent, 'a text that is not known is said').toContain('not read yet');
});

test('an environment without a database says so', () => {
  const { context } = fakeApp({}, { path: '/database/statements' });
  render(Page, { context });
  expect(screen.getByText('Add a database')).toBeTruthy();
});

const byIndex = shape('4a1f0000', [
  [0, 'Sort', null, null],
  [1, 'Index Scan', 'orders', 'orders_pkey'],
]);
const inFull = shape('c07d0000', [
  [0, 'Sort', null, null],
  [1, 'Seq Scan', 'orders', null],
]);

test('a plan is known by what it reads, and a change by the steps that only one of two has', () => {
  expect([planWord(byIndex), planWord(inFull), planWord(shape('0', []))]).toEqual(['Index Scan orders_pkey', 'Seq Scan orders', 'no step']);
  const [was, is] = treesOf(byIndex, inFull);
  expect([was.map((line) => line.only), is.map((line) => line.only)]).toEqual([
    [false, true],
    [false, true],
  ]);
  const seen = (first_ms: number, last_ms: number, of: PlanShape) => ({ first_ms, last_ms, shape: of });
  const [before, now] = [seen(NOW - 7_200_000, NOW - 3_600_000, byIndex), seen(NOW, NOW, inFull)];
  expect(plain(changeLine(before, now)), 'nobody saw a plan for an hour').toMatch(/no plan was read, for 1 h/);
  expect(changeLine({ ...before, last_ms: NOW - 60_000 }, now)).not.toContain('no plan');
  expect(flagsOf([before, now])).toEqual([{ t: NOW, label: expect.stringContaining('plan changed') as string }]);
  expect(flagsOf([before]), 'the first that was seen is no change').toEqual([]);
});

test('a statement has its plan, the plans that it had, and what changed, said to be estimates', async () => {
  const plans = [
    { first_ms: NOW - 7_200_000, last_ms: NOW - 3_600_000, shape: byIndex },
    { first_ms: NOW - 3_590_000, last_ms: NOW, shape: inFull },
  ];
  const statement = 'SELECT * FROM orders WHERE id = $1';
  const windows = [{ from_ms: NOW - 300_000, to_ms: NOW, calls: 10, total_ms: 50 }];
  const detail = { key: 'gone', statement, cut_of: null, first_seen_ms: NOW, windows, plans, no_plan: null };
  // It is led to by its key, and was not called in the time that is listed.
  const { context, address } = app(statements(), detail);
  address.go('/database/statements?statement=gone');
  render(Page, { context });
  await waitFor(() => expect(screen.getByTestId('plan-change-after').textContent).toContain('Seq Scan'));
  expect(screen.getByTestId('plan-change-before').textContent).toContain('orders_pkey');
  expect(plain(screen.getByTestId('plan-change').textContent)).toContain('Both are estimates');
  expect(screen.getByTestId('plan')).toBeTruthy();
  expect(screen.getByTestId('chosen-statement').textContent).toContain('not called, or not seen yet');
  await fireEvent.click(screen.getByTestId('chosen-statement-plan'));
  expect([address.path, address.param('statement')]).toEqual(['/database/plan', statement]);
});

test('what cannot be planned says why, and is not asked for', async () => {
  const no_plan = {
    code: 'bad_request' as const,
    message: 'The statement can write',
    hint: 'Give the SELECT',
    retryable: false,
  };
  const detail = { key: '1', statement: 'UPDATE orders SET a = $1', cut_of: null, first_seen_ms: NOW, windows: [], plans: [], no_plan };
  const { context, calls, address } = app(statements(), detail);
  address.go('/database/statements?statement=1');
  render(Page, { context });
  await waitFor(() =>
    expect(plain(screen.getByTestId('chosen-statement-no-plan').textContent)).toBe('No plan. The statement can write. Give the SELECT'),
  );
  expect(calls).not.toContain('db.plan');
});

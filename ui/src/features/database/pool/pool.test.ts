// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { ApplicationPool, TargetHealth, DatabasePools, HealthCheck, OwnPool, PoolerPool } from '../../../backend/types';
import { fakeApp } from '../../../testing/app';
import { refusal } from '../../../testing/backend';
import { target } from '../../../testing/values';
import { cellsOf, figuresOf, placesOf, verdict } from './pool';
import Page from './Page.svelte';

const AT = 1_760_000_000_000;
const application = (of: Partial<ApplicationPool> = {}): ApplicationPool => ({
  application: 'clinic-api',
  address: '10.0.0.7',
  users: ['clinic'],
  sessions: 22,
  states: { lock_wait: 15, active: 3, idle_in_transaction: 4, idle: 0, unknown: 0 },
  oldest_s: 300,
  newest_s: 2,
  longest_idle_s: null,
  longest_idle_in_transaction_s: 158,
  begun_last_minute: 3,
  churn: { begun_per_min: 6, ended_per_min: 2, over_s: 30 },
  ...of,
});
const times = { count: 0, sum_ms: 0, p50_ms: null, p99_ms: null, max_ms: null };
const own = (of: Partial<OwnPool> = {}): OwnPool => ({
  name: 'demo API, readers',
  size: 5,
  max_overflow: 5,
  timeout_s: 10,
  recycle_s: 1800,
  open: 6,
  idle: 4,
  in_use: 2,
  overflow: 1,
  waiting: 0,
  acquired: 361,
  waited: 0,
  timeouts: 0,
  created: 8,
  closed: { age: 1, dead: 0, beyond_size: 1, lost: 0, with_pool: 0 },
  wait: { count: 361, sum_ms: 30, p50_ms: 0.08, p99_ms: 14, max_ms: 96 },
  hold: times,
  ...of,
});
const pools = (of: Partial<DatabasePools> = {}): DatabasePools => ({
  at_ms: AT,
  applications: [],
  left_out: 0,
  note: null,
  hidden: 0,
  grant: null,
  limits: { max: 100, reserved: 3, used: 40 },
  pooler: null,
  waiting_unknown: 'A pool inside an application tells nobody outside',
  waiting_fix: null,
  own: [],
  ...of,
});
const check = (id: string, of: Partial<HealthCheck> = {}): HealthCheck => ({
  id,
  title: id,
  state: 'ok',
  value: null,
  unit: null,
  threshold: null,
  reason: 'as it should be',
  fix: null,
  grant: null,
  missed: false,
  ...of,
});
const archiver = check('archiver', {
  title: 'WAL archive',
  state: 'failing',
  reason: '3 attempts failed',
  fix: { what: 'Shows the command', statement: 'SHOW archive_command;' },
});
const health = (checks: HealthCheck[] = [check('reachable')]): TargetHealth => ({
  at_ms: AT,
  version: 'PostgreSQL 17.2',
  state: 'ok',
  checks,
  took_s: 0.05,
});
const pooler = (of: Partial<PoolerPool> = {}): PoolerPool => ({
  database: 'app',
  user: 'clinic',
  mode: 'transaction',
  clients_active: 20,
  clients_waiting: 0,
  servers_active: 4,
  servers_idle: 0,
  servers_other: 0,
  longest_wait_s: 0,
  size: 4,
  reserve: null,
  mean_wait_ms: null,
  ...of,
});
const plain = (text: string | null | undefined): string =>
  (text ?? '')
    .replaceAll(/[\u2009\u202f]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
const said = (p: DatabasePools | null, h: TargetHealth | null): string => {
  const v = verdict(p, h);
  return v ? plain(`${v.tone}: ${v.strong} ${v.rest}`) : 'nothing';
};
const there = {
  environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['database'] },
  targets: [target()],
  path: '/database/pool',
};
const answers = (p: DatabasePools, h: TargetHealth) => ({ 'db.pool': () => p, 'db.health': () => h });

test('what fails comes first, then who waits, then what needs attention, then what there is', () => {
  const busy = pools({ applications: [application(), application({ address: '10.0.0.8', sessions: 3 })] });
  const waits = pools({ pooler: { version: 'PgBouncer 1.24.0', pools: [pooler({ clients_waiting: 2, longest_wait_s: 1.25 })] } });
  const slow = check('latency', { title: 'Latency', state: 'warning' });
  expect(said(waits, health([archiver, slow]))).toBe('bad: 1 check fails: WAL archive');
  expect(said(waits, health([slow]))).toBe('bad: 2 clients wait for a connection of the pooler, the first for 1.25 s');
  expect(said(busy, health([slow]))).toBe('warn: 1 check needs attention: Latency');
  const blind = check('replication', { title: 'Replication', state: 'unknown', missed: true });
  expect(said(busy, health([blind]))).toBe('unknown: 1 check could not be made: Replication');
  const never = check('disk', { state: 'unknown' });
  expect(said(busy, health([never])), 'what no server tells is not missed').toBe('ok: 25 sessions in 2 pools, 44 in use');
  expect(said(pools(), health())).toBe('ok: No application is connected at the moment');
  expect(said(null, null)).toBe('nothing');
});

test('cells are what sessions do, and a pool has places that nothing is open for', () => {
  const states = { lock_wait: 1, active: 2, idle_in_transaction: 0, idle: 3, unknown: 1 };
  expect(cellsOf(states)).toEqual([
    { cell: 'lock', count: 1 },
    { cell: 'active', count: 2 },
    { cell: 'idle', count: 3 },
    { cell: 'unknown', count: 1 },
  ]);
  expect(placesOf(own())).toEqual([
    { cell: 'active', count: 2 },
    { cell: 'idle', count: 4 },
    { cell: 'free', count: 4 },
  ]);
});

test('unknown is a dash with its reason, never 0', () => {
  const bare = application({ oldest_s: null, churn: null, begun_last_minute: null });
  const of = Object.fromEntries(figuresOf(bare, 'nobody tells').map((f) => [f.name, f]));
  for (const name of ['waiting', 'size', 'oldest', 'begun', 'ended', 'last minute', 'idle for']) expect(of[name]?.value, name).toBe('–');
  expect(of['waiting']?.about).toBe('nobody tells');
  expect(of['hidden'], 'nothing is hidden').toBeUndefined();
});

test('the pools of applications, of the pooler and of Perfdeck stand apart', async () => {
  const p = pools({
    applications: [application()],
    pooler: { version: 'PgBouncer 1.24.0', pools: [pooler({ clients_waiting: 2, longest_wait_s: 1.25 })] },
    waiting_unknown: null,
    own: [own()],
  });
  const { context } = fakeApp(answers(p, health()), there);
  render(Page, { context });
  const [api] = await screen.findAllByTestId('application-pool');
  expect(plain(api!.textContent)).toContain('clinic-api10.0.0.722 sessions');
  expect(plain(api!.textContent)).toMatch(/lock wait 15.*active 3.*idle in tx 4/);
  expect(screen.getByTestId('application-pool-cells').children).toHaveLength(22);
  expect(screen.getByTestId('application-pool-cells').getAttribute('aria-label')).toBe('15 lock wait, 3 active, 4 idle in tx, 0 idle');
  const row = screen.getByTestId('pooler-pool');
  expect([...row.children].map((td) => plain(td.textContent))).toEqual([
    'app',
    'clinic',
    'transaction',
    '4',
    '20',
    '2',
    '1.25 s',
    '–',
    '4',
    '0',
    '0',
  ]);
  const mine = screen.getByTestId('own-pool');
  expect(plain(mine.textContent)).toMatch(/size 5 \+ overflow 5.*check-outs 361.*wait p50 80.0 µs.*hold p50 –.*opened 8.*closed 2/);
  expect(screen.queryByTestId('pool-waiting-unknown'), 'the pooler tells').toBeNull();
});

test('what is hidden has its grant, and who does not tell the setting', async () => {
  const p = pools({
    hidden: 7,
    grant: 'GRANT pg_monitor TO reader;',
    waiting_unknown: "PgBouncer's console does not let 'reader' in",
    waiting_fix: 'stats_users = reader',
  });
  const { context } = fakeApp(answers(p, health()), there);
  render(Page, { context });
  expect(plain((await screen.findByTestId('pool-hidden')).textContent)).toMatch(
    /7 sessions.* hide their state.*GRANT pg_monitor TO reader;/,
  );
  const waiting = screen.getByTestId('pool-applications');
  expect(plain(waiting.textContent)).toMatch(/Waiting: not known.*stats_users = reader/);
});

test('checks that fail have their reason and what mends them; what is fine is folded', async () => {
  const grant = 'GRANT pg_monitor TO reader;';
  const blind = check('replication', { state: 'unknown', missed: true, reason: 'hidden from this user', grant });
  const full = check('connections', {
    state: 'warning',
    value: 0.85,
    unit: 'ratio',
    threshold: { warning: 0.8, failing: 0.9, source: 'netdata' },
  });
  let asked = 0;
  const { context } = fakeApp(
    { 'db.pool': () => pools(), 'db.health': () => ((asked += 1), health([archiver, full, blind, check('reachable'), check('slots')])) },
    there,
  );
  render(Page, { context });
  const shown = await screen.findAllByTestId('health-check');
  expect(shown.map((c) => [c.dataset['check'], c.dataset['state']])).toEqual([
    ['archiver', 'failing'],
    ['connections', 'warning'],
    ['replication', 'unknown'],
  ]);
  expect(within(shown[0]!).getByText('SHOW archive_command;')).toBeTruthy();
  expect(plain(shown[1]!.textContent)).toContain('warning above 80.0 %, failing above 90.0 % (netdata)');
  expect(plain(shown[2]!.textContent)).toContain(grant);
  await fireEvent.click(screen.getByTestId('health-fine'));
  expect(screen.getAllByTestId('health-check')).toHaveLength(5);
  await fireEvent.click(screen.getByTestId('health-again'));
  await waitFor(() => expect(asked).toBe(2));
});

test('a database that cannot be read says so, and its health is told all the same', async () => {
  const gone = check('reachable', { title: 'Reachable', state: 'failing', reason: 'refused the connection' });
  const { context } = fakeApp(
    {
      'db.pool': () => {
        throw refusal('db.example refused the connection', 'Is the server running?');
      },
      'db.health': () => health([gone]),
    },
    there,
  );
  render(Page, { context });
  expect((await screen.findByTestId('pool-failure')).textContent).toContain('Is the server running?');
  await waitFor(() => expect(plain(screen.getByTestId('pool-answer').textContent)).toContain('1 check fails: Reachable'));
});

test('a file has no sessions and says why', async () => {
  const p = pools({ limits: null, note: 'SQLite has no sessions', own: [own({ in_use: 1 })] });
  const { context } = fakeApp(answers(p, health()), there);
  render(Page, { context });
  expect((await screen.findByTestId('pool-note')).textContent).toBe('SQLite has no sessions.');
  expect(plain(screen.getByTestId('pool-answer').textContent)).toContain("1 connection in use in Perfdeck's own pools");
  expect(screen.queryByTestId('pool-waiting-unknown'), 'nobody could wait').toBeNull();
});

// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, test } from 'vitest';
import type { CostAmount, CostRequest, RequestCost, Run, StatementCost } from '../../../backend/types';
import { fakeApp, noRuns } from '../../../testing/app';
import { AT, finding, job, preview, proof, run as aRun } from '../../../testing/values';
import { COST_WORDS, costedOf, costPath } from '../../../kit/cost';
import Findings from '../../../lanes/Findings.svelte';
import Benchmarks from '../index.svelte';
import { badgeOf, cellsOf, intervalWord, json, markdown, notesOf, times, totalsOf } from './cost';
import { begin, costCommand, isCosted, read } from './form';

const plain = (text: string | null | undefined): string =>
  (text ?? '')
    .replaceAll(/[\u2009\u202f\u00a0]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
const amount = (mean: number, low: number | null = mean, high: number | null = mean): CostAmount => ({ mean, low, high });
const row = (of: Partial<StatementCost> = {}): StatementCost => ({
  key: 'shifts',
  statement: 'SELECT id, starts_at FROM staff_shifts WHERE id = $1',
  nested: false,
  sure: true,
  calls: amount(21),
  rows: amount(21),
  ms: amount(120, 110, 130),
  buffers: amount(9_000),
  wal_bytes: amount(0),
  repeated: true,
  ...of,
});
const cost = (of: Partial<RequestCost> = {}): RequestCost => ({
  id: 'cost-1',
  created_ms: AT,
  name: 'GET /staff/7/schedule',
  request: 'GET http://127.0.0.1:1/staff/7/schedule',
  environment_id: 'shop',
  environment: 'shop',
  sentence: '21 of 23 statements of a request are one: SELECT … FROM staff_shifts WHERE id = $1',
  source: 'pg_stat_statements 1.10',
  own_counted: null,
  pairs_asked: 8,
  pairs: 8,
  thrown_away: 0,
  block_s: 2,
  requests: 315,
  failures: 0,
  unanswered: 0,
  background: 0,
  totals: {
    statements: amount(23, 22.9, 23.1),
    rows: amount(296, 288, 304),
    db_ms: amount(136, 133, 138),
    buffers: amount(9_714, 9_610, 9_818),
    wal_bytes: amount(188, 181, 195),
    cache_commands: null,
    cache: null,
  },
  statements: [
    row(),
    row({ key: 'staff', statement: 'SELECT * FROM staff WHERE id = $1', calls: amount(2), ms: amount(16), repeated: false }),
  ],
  left_out: 0,
  hidden: null,
  incomplete: null,
  notes: ['commands of the cache are not known: it did not answer'],
  ...of,
});
const shop = {
  environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: 'http://127.0.0.1:1/', roles: ['api', 'database'] },
};

describe('words', () => {
  test('what is not known is an en dash with its reason, and never 0', () => {
    const totals = new Map(totalsOf(cost({ totals: { ...cost().totals, buffers: null } })).map((t) => [t.key, t]));
    expect(totals.get('cache')).toMatchObject({ amount: null, why: 'commands of the cache are not known: it did not answer' });
    expect(totals.get('buffers')!.why).toBe('pg_stat_statements 1.10 does not count it');
    expect(totalsOf(cost({ notes: [] })).find((t) => t.key === 'cache')!.why).toBe('the environment has no cache');
    expect([intervalWord(amount(21), times), intervalWord(amount(2.5, null, null), times)]).toEqual(['exactly', 'too few pairs']);
    expect([times(21.001), times(2.5), times(0), times(0.002)]).toEqual(['21', '2.50', '0', '0.00200']);
  });

  test('a request is drawn as one cell for each call, and not where they are too many', () => {
    expect(cellsOf(cost())).toEqual([
      { key: 'staff', cells: 2, repeated: false },
      { key: 'shifts', cells: 21, repeated: true },
    ]);
    expect(cellsOf(cost({ statements: [row({ calls: amount(500) })] }))).toBeNull();
    expect(cellsOf(cost({ statements: [row({ sure: false })] })), 'what may be another client’s is not drawn').toBeNull();
    expect([badgeOf(row()), badgeOf(row({ repeated: null, sure: false })), badgeOf(row({ repeated: false, nested: true }))]).toEqual([
      'N+1',
      'may be another client’s',
      'within others',
    ]);
  });

  test('pairs that were thrown away, failures and others’ work are said', () => {
    const notes = notesOf(
      cost({ thrown_away: 2, unanswered: 3, background: 0.25, incomplete: 'the counters were reset', pairs: 6, left_out: 4 }),
    );
    expect(notes.map(plain).join(' | ')).toBe(
      '6 of 8 pairs: the counters were reset | 2 pairs thrown away: counters were lost or could not be read in the middle of them | ' +
        '3 requests not answered; what they cost is in the figures | 25.0 % of the statements meanwhile were others’, taken off | ' +
        'commands of the cache are not known: it did not answer | 4 more statements not listed',
    );
  });

  test('as Markdown and as JSON it says the same', () => {
    const text = plain(markdown(cost()));
    for (const part of [
      'Cost of GET /staff/7/schedule',
      '| Statements | 23 | 22.9 to 23.1 |',
      '| 21 | 21 | 120 ms |',
      'N+1',
      '`SELECT id, starts_at FROM',
    ])
      expect(text).toContain(part);
    expect(JSON.parse(json(cost()))).toEqual(cost());
  });

  test('what a run sent fills the form in, and a plan of statements is not offered', () => {
    const of = aRun({
      spec: { ...(aRun().spec as Extract<Run['spec'], { kind: 'http' }>), url: 'http://127.0.0.1:1/a', method: 'POST', body: '{}' },
    });
    const begun = begin(() => null, null, of);
    const asked = read(begun.form, begun);
    expect(asked.spec).toMatchObject({ kind: 'http', url: 'http://127.0.0.1:1/a', method: 'POST', connections: 1 });
    expect(costCommand(asked, 'shop', null).join(' ')).toMatch(
      /^perfctl db cost http:\/\/127.0.0.1:1\/a --method POST .*--pairs 8 --block 2s --env shop$/,
    );
    expect(read({ ...begun.form, pairs: '5', block: '0.1' }, begun).errors).toMatchObject({ pairs: /6 to 60/, block: /500 ms/ });
    expect(isCosted({ spec: { kind: 'plan', toml: '[[steps]]\nkind = "sql"\n' } as Run['spec'] })).toBe(false);
    expect(isCosted(of)).toBe(true);
  });
});

describe('the screen', () => {
  test('a route fills the form in; it is measured, followed after a reload too, and shown', async () => {
    const asked: CostRequest[] = [];
    const running = job({ id: 'j1', kind: 'cost', title: 'What GET / costs', state: 'running', progress: 0.4, step: 'pair 3 of 8' });
    const handlers = {
      ...noRuns,
      'bench.preview': () => preview(),
      'cost.start': (request: CostRequest) => (asked.push(request), running),
      'job.get': () => running,
      'cost.get': () => cost(),
    };
    const { context, address, push } = fakeApp(handlers, { ...shop, path: costPath({ path: '/staff/7/schedule' }) });
    const first = render(Benchmarks, { context });
    await waitFor(() => expect(screen.getByTestId<HTMLInputElement>('bench-url').value).toBe('http://127.0.0.1:1/staff/7/schedule'));
    expect(plain(screen.getByTestId('cost-takes').textContent)).toMatch(/^8 pairs of 2 × 2 s, about 37/);
    await fireEvent.click(screen.getByTestId('cost-start'));
    await waitFor(() => expect(address.path).toBe('/benchmarks/cost/job/j1'));
    expect(asked[0]).toMatchObject({ environment_id: 'shop', pairs: 8, block_s: 2, spec: { kind: 'http', method: 'GET' }, confirm: null });
    await waitFor(() => expect(screen.getByTestId('cost-step').textContent).toBe('pair 3 of 8'));
    first.unmount();
    // The address is all that a reload has.
    render(Benchmarks, { context });
    await waitFor(() => expect(screen.getByTestId('cost-step').textContent).toBe('pair 3 of 8'));
    push({ jobs: [{ ...running, state: 'done', result: { kind: 'cost', id: 'cost-1' } }] });
    await waitFor(() => expect(address.path).toBe('/benchmarks/cost/cost-1'));
    await waitFor(() =>
      expect(plain(screen.getByTestId('cost-sentence').textContent)).toMatch(/^21 of 23 statements of a request are one: SELECT/),
    );
  });

  test('a production environment asks for its name, and a missing database is said before anything is sent', async () => {
    const handlers = { ...noRuns, 'bench.preview': () => preview({ confirm: 'shop' }), 'cost.start': () => job() };
    const { context, calls } = fakeApp(handlers, { ...shop, path: costPath({ path: '/' }) });
    const first = render(Benchmarks, { context });
    const typed = await screen.findByTestId('cost-confirm');
    expect(screen.getByTestId<HTMLButtonElement>('cost-start').disabled).toBe(true);
    await fireEvent.input(typed, { target: { value: 'shop' } });
    expect(screen.getByTestId<HTMLButtonElement>('cost-start').disabled).toBe(false);
    first.unmount();
    const bare = fakeApp(handlers, { path: costPath({ path: '/' }) });
    render(Benchmarks, { context: bare.context });
    await screen.findByTestId('cost-no-database');
    expect(screen.getByTestId<HTMLButtonElement>('cost-start').disabled).toBe(true);
    expect([...calls, ...bare.calls]).not.toContain('cost.start');
  });

  test('a running measurement is stopped, and what failed leads back to the form', async () => {
    const running = job({ id: 'j1', kind: 'cost', state: 'running', cancellable: true });
    const { context, calls, push } = fakeApp(
      { ...noRuns, 'job.get': () => running, 'job.cancel': () => true },
      { ...shop, path: '/benchmarks/cost/job/j1' },
    );
    render(Benchmarks, { context });
    await fireEvent.click(await screen.findByTestId('cost-stop'));
    expect(calls).toContain('job.cancel');
    push({
      jobs: [
        {
          ...running,
          state: 'failed',
          error: { code: 'unsupported', message: 'No counters', hint: 'Load them', retryable: false },
        },
      ],
    });
    await waitFor(() => expect(plain(screen.getByTestId('cost-failed').textContent)).toContain('No counters. Load them'));
    expect(screen.getByTestId('cost-again')).toBeTruthy();
  });

  test('each statement leads to its history and to its plan, hidden ones are counted with the GRANT', async () => {
    const hidden = { statements: 3, calls: amount(2), ms: amount(1), grant: 'GRANT pg_monitor TO "reader";' };
    const before = cost({ id: 'cost-0', created_ms: AT - 86_400_000, totals: { ...cost().totals, db_ms: amount(45.8) } });
    const other = cost({ id: 'other', request: 'GET http://127.0.0.1:1/', created_ms: AT - 1 });
    const handlers = { ...noRuns, 'cost.get': () => cost({ hidden }), 'cost.list': () => [cost({ hidden }), other, before] };
    const { context, address } = fakeApp(handlers, { ...shop, path: '/benchmarks/cost/cost-1' });
    render(Benchmarks, { context });
    await waitFor(() => expect(screen.getAllByTestId('cost-statement')).toHaveLength(2));
    expect(plain(screen.getByTestId('cost-hidden').textContent)).toContain('2 statements of a request cannot be told apart');
    expect(screen.getByText(hidden.grant)).toBeTruthy();
    expect(plain(screen.getByTestId('cost-repeated').textContent)).toContain('21 of 23 are one statement');
    const time = screen.getAllByTestId('cost-total').find((e) => e.dataset['total'] === 'ms')!;
    expect(plain(time.textContent), 'what the same request took before stands beside it').toMatch(
      /Database time ?45.8 ms ?136 ms ?133 ms to 138 ms/,
    );
    const cache = screen.getAllByTestId('cost-total').find((e) => e.dataset['total'] === 'cache')!;
    expect(plain(cache.textContent)).toContain('–');
    await fireEvent.click(screen.getAllByTestId('cost-plan-of')[0]!);
    expect([address.path, address.param('statement')]).toEqual(['/database/plan', row().statement]);
    address.go('/benchmarks/cost/cost-1');
    await fireEvent.click((await screen.findAllByTestId('cost-statement'))[0]!.querySelector('td')!);
    await waitFor(() => expect([address.path, address.param('statement')]).toEqual(['/database/statements', 'shifts']));
  });

  test('costs are in the list of runs, newest first, and open themselves', async () => {
    const running = job({ id: 'j1', kind: 'cost', state: 'running' });
    const handlers = { ...noRuns, 'cost.list': () => [cost({ id: 'cost-2', created_ms: AT + 1 }), cost()], 'job.list': () => [running] };
    const { context, address } = fakeApp(handlers, { ...shop, path: '/benchmarks' });
    render(Benchmarks, { context });
    const rows = await screen.findAllByTestId('cost-row');
    expect(rows).toHaveLength(2);
    await fireEvent.click(rows[0]!.querySelector('button')!);
    expect(address.path).toBe('/benchmarks/cost/cost-2');
    address.go('/benchmarks');
    await fireEvent.click(await screen.findByTestId('cost-show-live'));
    expect(address.path, 'the one that is measured is found again').toBe('/benchmarks/cost/job/j1');
  });

  test('a finding about a route leads to what it costs, where a database counts', async () => {
    const route = { what: 'route', method: 'GET', path: '/staff/7/schedule' } as const;
    const found = finding({ id: 'f1', proof: proof({ steps: [{ label: 'Benchmark this route', opens: route }] }) });
    expect(costedOf(found)).toEqual({ path: '/staff/7/schedule' });
    expect(costedOf(finding({ proof: proof({ steps: [] }), action: { label: 'Open', opens: { what: 'cache' } } }))).toBeNull();
    const went: string[] = [];
    const { context } = fakeApp({}, { ...shop, path: '/overview', targets: [{ role: 'database' } as never], findings: [found] });
    render(Findings, { context, props: { findings: [found], known: true, open: (to: string) => went.push(to), here: '/overview' } });
    await fireEvent.click(screen.getByTestId('finding-action'));
    const button = await screen.findByTestId('finding-cost');
    expect(button.textContent).toBe(COST_WORDS);
    await fireEvent.click(button);
    expect(went).toEqual(['/benchmarks/cost/new?path=%2Fstaff%2F7%2Fschedule&finding=f1']);
  });
});

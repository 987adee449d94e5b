// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import type { Change } from '../../../backend/types';
import { engine, refusal } from '../../../testing/backend';
import { AT, finding, job } from '../../../testing/values';
import { advice, advised, applied, clinic, creation, duplicate, indexes, measured, statements } from './advice.testing';
import Page from './Page.svelte';

vi.mock('../../../backend', async () => (await import('../../../testing/backend')).door);
beforeEach(() => engine.reset());

const button = (testid: string, within_: HTMLElement = document.body): HTMLButtonElement =>
  within(within_).getByTestId(testid) as HTMLButtonElement;
const items = (): string[] => screen.queryAllByTestId('advice-item').map((item) => item.textContent.replaceAll(/\s+/g, ' ').trim());
const chosen = (): string | undefined =>
  screen.getAllByTestId('advice-item').find((item) => item.getAttribute('aria-selected') === 'true')?.dataset['key'];

async function shown(of: Parameters<typeof clinic>[0] = {}) {
  const at = clinic(of);
  render(Page, { context: at.context });
  await waitFor(() => expect(screen.queryAllByTestId('advice-item').length).toBeGreaterThan(0));
  // Indexes are looked at once it is known which standbys count.
  await waitFor(() => expect(at.state.standbys.length).toBeGreaterThan(0));
  return at;
}

test('before the first advice it says what it would do and what it lacks, and what runs now is looked at', async () => {
  const { state, push } = await shown({ advice: null });
  expect(items(), 'what is wrong with indexes needs no advice').toHaveLength(2);
  await waitFor(() => expect(screen.getByTestId('advice-start-statements').textContent).toContain('No statement was seen'));
  await fireEvent.click(button('advice-start-look'));
  expect(state.sent).toEqual([
    { name: 'advise', request: { environment_id: 'shop', from_ms: null, to_ms: null, look_s: 30, budget_bytes: null, queries: [] } },
  ]);
  await waitFor(() => expect(screen.getByTestId('advice-running').textContent).toContain('planning'));
  expect(button('advise').disabled, 'one at a time').toBe(true);
  await fireEvent.click(button('advice-stop'));
  expect(state.sent.at(-1)?.name).toBe('cancel');
  state.advice = advice();
  push({ jobs: [job({ ...state.job, state: 'done', result: { kind: 'advice', id: 'a1' } })] });
  await waitFor(() => expect(screen.getByTestId('advice-answer').textContent).toContain('37\u202f% less'));
  await waitFor(() => expect(screen.queryByTestId('advice-running')).toBeNull());
});

test('a failure and a stop are said, and the advice before stays', async () => {
  const { state, push } = await shown();
  await fireEvent.click(button('advise'));
  push({ jobs: [job({ ...state.job, state: 'failed', error: refusal('No statement was seen in that time', 'Watch for a while') })] });
  await waitFor(() =>
    expect(screen.getByTestId('advice-problem').textContent).toContain('No statement was seen in that time. Watch for a while'),
  );
  expect(screen.getByTestId('advice-answer').textContent).toContain('37');
  await fireEvent.click(button('advise'));
  await waitFor(() => expect(screen.queryByTestId('advice-problem')).toBeNull());
  push({ jobs: [job({ ...state.job, state: 'cancelled' })] });
  await waitFor(() => expect(screen.getByTestId('advice-pane').textContent).toContain('It was stopped'));
});

test('an index says what it saves, what earlier predictions came to, what it costs and what holds its build up', async () => {
  await shown({ changes: [creation()] });
  const pane = await screen.findByTestId('advised');
  expect(screen.getByTestId('advice-answer').textContent.replaceAll(/\s+/g, ' ')).toContain(
    '37 % less database time predicted (interval 34 to 38 %)',
  );
  expect(screen.getByTestId('advice-record').textContent).toBe('Of 214 earlier predictions here, 9 in 10 landed inside their interval.');
  expect(pane.textContent).toMatch(/One index on appointments \(staff_id, starts_at\) INCLUDE \(status\)/);
  expect(pane.textContent).toContain('All 2 advised together: 52\u202f% (48 to 55\u202f%)');
  const costs = screen.getByTestId('advised-costs').textContent.replaceAll(/\s+/g, ' ');
  expect(costs).toMatch(/Size.*131 MiB.*Build.*reads 52\.5 MiB.*300 k rows.*\+74 B WAL an insert.*2\.67 MiB a day.*HOT updates.*unchanged/);
  expect(screen.getByTestId('advised-blocker').textContent).toMatch(
    /pid 48213\s+analytics-export, idle in transaction\s+6\u202fmin 12\u202fs/,
  );
  expect(screen.getByTestId('advised-locks').textContent).toContain('SHARE UPDATE EXCLUSIVE on appointments');
  expect(pane.textContent, 'the exact statement of the change').toContain('"appointments_staff_id_starts_at_idx"');
  expect(screen.getByTestId('advised-plan-before').querySelector('.bad')?.textContent).toBe('Seq Scan');
  expect(screen.getByTestId('advised-plan-after').querySelector('.new')?.textContent).toBe('Index Scan');
});

test('a statement opens its classes of values, and one that gets slower is said first', async () => {
  await shown({ path: '/database/advice?finding=index%3Apayments_pending_idx' });
  expect((await screen.findByTestId('advised-needs-proof')).textContent).toContain('Needs proof');
  expect(screen.getByTestId('advised-slower').textContent).toContain(
    '1 statement would take longer for a class of values, by up to 40\u202f%',
  );
  expect(screen.queryByTestId('gain-classes')).toBeNull();
  await fireEvent.click(button('gain-open'));
  expect(button('gain-open').getAttribute('aria-expanded')).toBe('true');
  const classes = screen.getByTestId('gain-classes').textContent.replaceAll(/\s+/g, ' ');
  expect(classes).toMatch(/−90 %.*frequent values.*\+40 %.*values at the far end of the order/);
});

test('the list is gone through by keys, filtered and sorted; the address keeps what is chosen', async () => {
  const { address } = await shown();
  expect(items().map((text) => text.replace(/,.*/, ''))).toEqual([
    '37 % Index on appointments (staff_id',
    '6.0 % Index on payments (created_at DESC) WHERE status = ?',
    '– Duplicate index users users_email_b',
    '– Foreign key without index payments payments.payments_appointment_id_fkey',
  ]);
  const list = screen.getByTestId('advice-list');
  const first = screen.getAllByTestId('advice-item')[0]!;
  expect(first.tabIndex, 'one stop of Tab').toBe(0);
  first.focus();
  await fireEvent.keyDown(first, { key: 'ArrowDown' });
  expect(chosen()).toBe('index:payments_pending_idx');
  await waitFor(() => expect(address.param('finding')).toBe('index:payments_pending_idx'));
  await fireEvent.keyDown(document.activeElement!, { key: 'End' });
  expect(chosen()).toBe('foreign_key_without_index:p');
  await fireEvent.keyDown(document.activeElement!, { key: 'Enter' });
  expect(document.activeElement, 'Enter leads to what is chosen').toBe(screen.getByTestId('advice-pane'));
  await fireEvent.keyDown(window, { key: '/' });
  const filter = screen.getByTestId('advice-filter') as HTMLInputElement;
  expect(document.activeElement).toBe(filter);
  await fireEvent.input(filter, { target: { value: 'email' } });
  expect(items()).toHaveLength(1);
  await fireEvent.keyDown(filter, { key: 'Escape' });
  expect(items()).toHaveLength(4);
  await fireEvent.change(screen.getByTestId('advice-order'), { target: { value: 'table' } });
  expect(within(list).getAllByRole('group')).toHaveLength(3);
});

test('a advises by the key alone, never while somebody types', async () => {
  const { state } = await shown();
  await fireEvent.keyDown(screen.getByTestId('advice-filter'), { key: 'a' });
  await fireEvent.keyDown(document.body, { key: 'a', ctrlKey: true });
  expect(state.sent).toEqual([]);
  await fireEvent.keyDown(document.body, { key: 'a' });
  expect(state.sent.map((s) => s.name)).toEqual(['advise']);
});

test('another budget asks anew with it', async () => {
  const { state } = await shown({ advice: advice({ budget_bytes: 2 ** 30 }) });
  expect(screen.getByTestId('advice-budget').textContent).toContain('262\u202fMiB of');
  await fireEvent.change(screen.getByTestId('advice-bound'), { target: { value: String(64 * 2 ** 20) } });
  expect(state.sent[0]?.request).toMatchObject({ budget_bytes: 64 * 2 ** 20 });
});

test('an index is planned as it was advised, and its change stands in the tray', async () => {
  const { state } = await shown();
  expect(screen.queryByTestId('tray')).toBeNull();
  await fireEvent.click(button('advised-plan'));
  await waitFor(() => expect(screen.getByTestId('tray-row').dataset['state']).toBe('previewed'));
  expect(state.sent[0]).toEqual({ name: 'plan_index', request: { environment_id: 'shop', index: advised().spec, advice_id: 'a1' } });
  expect(items()[0]).toContain('in tray');
  const row = screen.getByTestId('tray-row');
  expect(row.textContent.replaceAll(/\s+/g, ' ')).toContain('waits for 1 blocker');
  expect(button('tray-prove', row).title).toBe('Apply it first: what is not there cannot be measured');
  expect(button('tray-undo', row).disabled).toBe(true);
  await fireEvent.click(button('tray-discard'));
  await waitFor(() => expect(screen.getByTestId('tray-row').dataset['state']).toBe('lapsed'));
  expect(screen.getByTestId('tray').textContent, 'what became of it stays in sight').toContain('nothing waits on shop');
});

test('a finding of an index that is there is planned in place', async () => {
  const { state } = await shown({ path: `/database/advice?finding=${encodeURIComponent(duplicate().finding.id)}` });
  expect((await screen.findByTestId('found')).textContent).toContain('public.users_email_b repeats public.users_email_a');
  await fireEvent.click(button('found-plan'));
  expect(state.sent).toEqual([{ name: 'plan', request: { kind: 'drop_index', environment_id: 'shop', object: 'public.users_email_b' } }]);
  await waitFor(() => expect(screen.getByTestId('found-change')).toBeTruthy());
});

test('a finding names the statements that would lose, each leading to its history', async () => {
  const at = clinic({ path: `/database/advice?finding=${encodeURIComponent(duplicate().finding.id)}` });
  const users = [{ key: 's9', statement: 'SELECT email FROM users WHERE email = $1', last_ms: AT }];
  at.state.indexes = indexes({ findings: [duplicate({ users, users_left_out: 2 })] });
  render(Page, { context: at.context });
  expect((await screen.findByTestId('found-users')).textContent).toMatch(/SELECT email FROM users.*2 more statements/s);
  await fireEvent.click(button('found-user'));
  expect(at.address.path).toBe('/database/statements');
  expect(at.address.param('statement')).toBe('s9');
});

test('applying asks for the name where the guards do, and sends nothing before', async () => {
  const { state } = await shown({ changes: [creation()], guards: { confirm: 'shop', evidence: ['its size'] } });
  await waitFor(() => expect(button('tray-apply').disabled).toBe(false));
  await fireEvent.click(button('tray-apply'), { detail: 2 });
  expect(screen.queryByTestId('change-confirm'), 'the second click of a double one').toBeNull();
  await fireEvent.click(button('tray-apply'), { detail: 1 });
  await fireEvent.input(screen.getByTestId('change-confirm-name'), { target: { value: 'sho' } });
  await fireEvent.submit(screen.getByTestId('change-confirm'));
  expect(state.sent).toEqual([]);
  await fireEvent.input(screen.getByTestId('change-confirm-name'), { target: { value: 'shop' } });
  await fireEvent.submit(screen.getByTestId('change-confirm'));
  await waitFor(() => expect(state.sent).toEqual([{ name: 'apply', request: { id: 'c7', confirm: 'shop', agree: null } }]));
});

test('why a change cannot be planned is said in place, of that one only', async () => {
  const { state } = await shown();
  state.refuses = refusal('`ix` is there already', 'Drop it first');
  await fireEvent.click(button('advised-plan'));
  await waitFor(() => expect(screen.getByTestId('advised-unplanned').textContent).toContain('is there already. Drop it first'));
  await fireEvent.click(screen.getAllByTestId('advice-item')[1]!);
  await waitFor(() => expect(screen.queryByTestId('advised-unplanned')).toBeNull());
});

test('where statements are not counted it says what turns that on', async () => {
  const at = clinic({ advice: null });
  at.state.statements = {
    ...statements,
    state: {
      kind: 'unavailable',
      why: {
        reason: 'pg_stat_statements is not installed',
        hint: 'An administrator installs it',
        fix: 'CREATE EXTENSION pg_stat_statements;',
      },
    },
  };
  render(Page, { context: at.context });
  await waitFor(() => expect(screen.getByTestId('advice-start-statements').textContent).toContain('pg_stat_statements is not installed'));
  expect(screen.getByTestId('advice-start').textContent).toContain('CREATE EXTENSION pg_stat_statements;');
  expect(button('advice-start-do').disabled, 'the engine says what it can do without').toBe(false);
});

test('a guard says why nothing may be applied', async () => {
  await shown({ changes: [creation()], guards: { guard: "'shop' is read-only" } });
  expect((await screen.findByTestId('tray-guard')).textContent).toBe("'shop' is read-only");
  expect(button('tray-apply').disabled).toBe(true);
  expect(button('tray-apply').title).toBe("'shop' is read-only");
});

test('what was applied is proven with what it was advised for, and the proof is shown', async () => {
  const { state, push } = await shown({ changes: [applied()] });
  await waitFor(() => expect(button('tray-prove').disabled).toBe(false));
  await fireEvent.click(button('tray-prove'));
  expect(screen.getByTestId('proving').textContent).toContain('Runs the statement that it was advised for');
  await fireEvent.input(screen.getByTestId('proving-statements'), { target: { value: "SELECT 1; SELECT ';';" } });
  await fireEvent.click(screen.getByTestId('proving-writes'));
  await fireEvent.submit(screen.getByTestId('proving'));
  await waitFor(() =>
    expect(state.sent).toEqual([
      { name: 'prove', request: { change_id: 'c7', statements: ['SELECT 1', "SELECT ';'"], writes: true, seconds: 60, confirm: null } },
    ]),
  );
  state.changes = [applied({ proof: measured(), updated_ms: AT + 20_000 })];
  push({ jobs: [job({ ...state.job, kind: 'prove', state: 'done', result: { kind: 'change', id: 'c7' } })] });
  const proof = await screen.findByTestId('proof');
  expect(proof.textContent.replaceAll(/\s+/g, ' ')).toContain('Proven: one statement takes less time with it');
  expect(proof.textContent.replaceAll(/\s+/g, ' ')).toContain(
    '36 % of database time saved (95 % interval 35 to 37 %); predicted 37 % (34 to 38 %)',
  );
  const [statement] = screen.getAllByTestId('proof-statement');
  expect(statement!.textContent.replaceAll(/\s+/g, ' ')).toMatch(/−99\.1 %.*−99\.4 to −98\.7 %.*−99\.3 %.*inside/);
  const classes = screen.getAllByTestId('proof-class').map((row) => row.textContent.replaceAll(/\s+/g, ' '));
  expect(classes[0]).toMatch(/rare values.*29\.1.*0\.26.*65 418 → 24.*same/);
  expect(classes[1], 'which rows are left open is not said to be the same').toContain('left open');
  expect(button('tray-keep').className, 'kept next').toContain('primary');
  expect(button('tray-undo').className).not.toContain('danger');
});

test('what is not proven is undone in one press', async () => {
  const proof = measured({ verdict: 'no_gain', why: 'no statement takes less time with it' });
  const { state } = await shown({ changes: [applied({ proof })], path: '/database/advice?finding=change%3Ac7' });
  expect((await screen.findByTestId('proof')).textContent).toContain('No gain:');
  await waitFor(() => expect(button('tray-undo').disabled).toBe(false));
  expect(button('tray-undo').className).toContain('danger');
  expect(screen.getByTestId('tray-row').textContent).toContain('No gain');
  await fireEvent.click(button('tray-undo'));
  expect(state.sent).toEqual([{ name: 'undo', request: { id: 'c7', confirm: null, agree: null } }]);
});

test('rows of the tray stay where they are when one of them is applied, and sessions are none of it', async () => {
  const late: Change = { ...creation({ id: 'c9', object: 'public.other_idx', created_ms: AT + 5 }) };
  const session: Change = { ...creation({ id: 'c0', kind: 'terminate_session' }) };
  const { state, push } = await shown({ changes: [late, creation(), session] });
  const order = (): (string | undefined)[] => screen.getAllByTestId('tray-row').map((row) => row.dataset['change']);
  expect(order()).toEqual(['c7', 'c9']);
  state.changes = [late, applied(), session];
  push({ changed: ['changes'] });
  await waitFor(() => expect(screen.getAllByTestId('tray-row')[0]!.dataset['state']).toBe('verified'));
  expect(order()).toEqual(['c7', 'c9']);
});

test('HypoPG is used where somebody agreed, who is told what it risks', async () => {
  const { state } = await shown({
    advice: advice({ hypopg: 'quarantined', method: 'shadow', basis: 'sample', grants: ['GRANT pg_read_all_data TO perfdeck;'] }),
  });
  const box = await screen.findByTestId('advice-hypopg');
  expect(box.textContent).toMatch(/A session died while HypoPG was used here.*every session of the instance \(HypoPG issue 116\)/s);
  expect(screen.getByTestId('advice-about').textContent).toContain('GRANT pg_read_all_data TO perfdeck;');
  await fireEvent.click(button('hypopg-agree'));
  expect(state.sent).toEqual([{ name: 'allow', request: { environment_id: 'shop', allow: true } }]);
  await waitFor(() => expect(screen.getByTestId('advice-hypopg').dataset['use']).toBe('allowed'));
  await fireEvent.click(button('hypopg-withdraw'));
  expect(state.sent.at(-1)?.request).toEqual({ environment_id: 'shop', allow: false });
});

test('queries that are pasted are advised on one by one', async () => {
  const { state } = await shown({ advice: advice({ advised: [], effects: [], statements: 0, explained: null }) });
  expect((await screen.findByTestId('advice-nothing')).textContent).toContain('No statement to advise on');
  await fireEvent.click(button('advice-nothing-queries'));
  await fireEvent.input(screen.getByTestId('queries-text'), { target: { value: 'SELECT 1;\n-- only words;\nSELECT 2 -- ;\n' } });
  await fireEvent.click(button('queries-send'));
  expect(state.sent[0]?.request).toMatchObject({ queries: ['SELECT 1', '-- only words;\nSELECT 2 -- ;'], from_ms: null });
});

test('queries are handed in again where the window has forgotten them: an advice has none of their values', async () => {
  const { state } = await shown({ advice: advice({ source: { kind: 'queries' }, from_ms: null, to_ms: null }) });
  await fireEvent.change(screen.getByTestId('advice-bound'), { target: { value: String(2 ** 30) } });
  expect(state.sent).toEqual([]);
  expect(screen.getByTestId('queries-lost').textContent).toContain('stored nowhere');
  await fireEvent.input(await screen.findByTestId('queries-text'), { target: { value: 'SELECT 1' } });
  await fireEvent.click(button('queries-send'));
  expect(state.sent[0]?.request).toMatchObject({ queries: ['SELECT 1'], budget_bytes: 2 ** 30 });
});

test('queries that were handed in are there again as long as the window is', async () => {
  const { state } = await shown({ advice: advice({ source: { kind: 'queries' }, from_ms: null, to_ms: null }) });
  await fireEvent.click(button('advice-more'));
  await fireEvent.click(await screen.findByTestId('advise-queries'));
  expect(screen.queryByTestId('queries-lost')).toBeNull();
  await fireEvent.input(screen.getByTestId('queries-text'), { target: { value: 'SELECT 1; SELECT 2' } });
  state.job = job({ ...state.job, state: 'done', result: { kind: 'advice', id: 'a1' } });
  await fireEvent.click(button('queries-send'));
  await waitFor(() => expect(button('advise').disabled).toBe(false));
  await fireEvent.click(button('advise'));
  expect(state.sent[1]?.request).toMatchObject({ queries: ['SELECT 1', 'SELECT 2'] });
  await waitFor(() => expect(button('advise').disabled).toBe(false));
  await fireEvent.click(button('advice-more'));
  await fireEvent.click(await screen.findByTestId('advise-queries'));
  expect((screen.getByTestId('queries-text') as HTMLTextAreaElement).value).toBe('SELECT 1;\nSELECT 2;\n');
});

test('a finding of another screen leads to the first advice, and is said before there is one', async () => {
  const led = finding({
    id: 'sequential_scan:a',
    title: 'Sequential scan on `a`',
    action: { label: 'Review index', opens: { what: 'database_advice' } },
  });
  const path = '/database/advice?finding=sequential_scan%3Aa';
  const at = clinic({ advice: null, path });
  Object.defineProperty(at.app, 'findings', { value: [led] });
  render(Page, { context: at.context });
  expect((await screen.findByTestId('advice-led')).textContent).toContain('Sequential scan on a');
  at.state.advice = advice();
  at.push({ changed: ['advice'] });
  await waitFor(() => expect(screen.getByTestId('advice-answer').textContent).toContain('37'));
  expect(chosen()).toBe('index:appointments_staff_id_starts_at_idx');
});

test('an advice that was made elsewhere is read when the stream tells it, and one that runs is taken up', async () => {
  const at = await shown({ advice: null });
  at.state.advice = advice();
  at.push({ changed: ['advice'] });
  await waitFor(() => expect(screen.getByTestId('advice-answer').textContent).toContain('37'));
});

test('where nothing is advised it says of how much, and shows what was rejected and what was not analysed', async () => {
  await shown({ advice: advice({ advised: [], effects: [] }) });
  const said = (await screen.findByTestId('advice-nothing')).textContent.replaceAll(/\s+/g, ' ');
  expect(said).toContain('No index is worth its bytes and its writes');
  expect(said).toContain('Explains 93 % of database time. Of 3 candidates, none saves enough of it');
  await fireEvent.click(button('advice-nothing-rejected'));
  expect((await screen.findByTestId('advice-left')).textContent).toContain('appointments_pkey is chosen instead');
  await fireEvent.click(button('advice-not-analysed'));
  await waitFor(() => expect(screen.getByTestId('advice-left').textContent).toContain('it has a NATURAL JOIN'));
});

test('what the database could not be asked stands in its place, and the rest is there', async () => {
  const at = clinic();
  const grants = ['GRANT pg_monitor TO perfdeck;'];
  at.state.indexes = indexes({ unused: { answer: 'too_early', hours: 2, enough_hours: 168 }, findings: [], grants });
  render(Page, { context: at.context });
  await waitFor(() =>
    expect(screen.getByTestId('advice-findings').textContent).toContain('Unused indexes are told from 7 days of statistics on'),
  );
  expect(screen.getByTestId('advice-findings').textContent).toContain(grants[0]);
  expect(items()).toHaveLength(2);
});

test('an environment without a database has no advice', () => {
  const { context, calls } = clinic();
  const app = [...context.values()][0]!;
  Object.defineProperty(app, 'environment', { value: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['api'] } });
  render(Page, { context });
  expect(screen.getByTestId('advice').textContent).toContain('has no SQL database');
  expect(calls).toEqual([]);
});

test('standbys that count are chosen among the environments, asked, kept, and asked again the next time', async () => {
  const one = (id: string, name: string, roles: string[]) => ({ id, name, kind: 'staging', apiUrl: null, roles });
  const environments = [one('shop', 'shop', ['database']), one('r1', 'shop-replica', ['database']), one('web', 'web', ['api'])];
  const { state } = await shown({ environments });
  expect(state.standbys, 'none is asked that nobody chose').toEqual([[]]);
  state.indexes = indexes({ unused: { answer: 'judged', hours: 1000, nodes: 1, standbys_not_asked: 1 } });
  await fireEvent.click(button('advice-more'));
  await fireEvent.click(await screen.findByTestId('advice-indexes-again'));
  await waitFor(() => expect(screen.getByTestId('advice-standbys').textContent).toContain('1 standby not asked'));
  await fireEvent.click(button('advice-standbys-choose'));
  const all = await screen.findAllByTestId('standbys-one');
  expect(all.map((box) => box.closest('label')?.textContent.trim())).toEqual(['shop-replica staging']);
  expect(button('standbys-ask').textContent).toBe('Ask none');
  await fireEvent.click(all[0]!);
  expect(button('standbys-ask').textContent).toBe('Ask 1 standby');
  state.indexes = indexes({ unused: { answer: 'judged', hours: 1000, nodes: 2, standbys_not_asked: 0 } });
  await fireEvent.click(button('standbys-ask'));
  await waitFor(() => expect(state.standbys.at(-1)).toEqual(['r1']));
  expect((await screen.findByTestId('advice-standbys-asked')).textContent.trim().replaceAll(/\s+/g, ' ')).toBe(
    'What shop-replica reads counts too.',
  );
  await waitFor(() => expect(engine.preferences.get('standbys.shop')).toEqual(['r1']));
  cleanup();
  const again = await shown({ environments });
  expect(again.state.standbys, 'it was kept').toEqual([['r1']]);
  cleanup();
  const without = await shown({ environments: environments.slice(0, 1) });
  expect(without.state.standbys, 'one that is gone is not asked').toEqual([[]]);
});

// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { tick } from 'svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import { silent } from '../backend/silence';
import { emptyDraft } from '../kit/draft';
import { choose, remove } from '../kit/environments';
import { typed } from '../kit/typed.svelte';
import { engine, refusal } from '../testing/backend';
import { freshWindow } from '../testing/window';
import App from './App.svelte';
import { change, cutOffChange } from '../testing/changes';
import { AT, comparison, defaults, environment, finding, guards, job, knee, report, runSummary, summary, target } from '../testing/values';

vi.mock('../backend', async () => (await import('../testing/backend')).door);

const calm = () => ({
  'env.list': () => [summary({ id: 'demo', name: 'demo', demo: true, kind: 'development' }), summary()],
  'env.get': () => environment(),
  'monitor.start': () => [target()],
  'findings.list': () => [finding()],
  'app.info': () => ({
    version: '0.1.0',
    platform: 'test',
    data_dir: '/data',
    store_bytes: 1,
    secrets: { store: 'keychain' as const, locked: false },
  }),
  'journal.list': () => [],
  'job.cancel': () => true,
  'env.delete': () => ({ id: 'shop', undo_until_ms: 0 }),
});

/** The whole window at an address. */
async function open(address = '#/e/shop/settings'): Promise<void> {
  location.hash = address;
  freshWindow();
  render(App);
  await screen.findByTestId(/^screen-.+/);
}
const press = (key: string, of: Partial<KeyboardEventInit> = {}): Promise<boolean> =>
  fireEvent.keyDown(document.activeElement ?? document.body, { key, ...of });

const plainText = (of: HTMLElement): string => (of.textContent ?? '').replaceAll(/\s+/g, ' ').trim();

beforeEach(() => {
  engine.reset(calm());
  localStorage.clear();
  typed.asked = null;
});

test('an address shows its environment and its screen, named in the title', async () => {
  await open();
  expect(screen.getByTestId('title').textContent).toBe('Settings');
  await waitFor(() => expect(document.title).toBe('Settings, shop – Perfdeck'));
  expect(screen.getByTestId('env-block').getAttribute('aria-label')).toBe('Environment shop, staging');
  expect(screen.getByTestId('nav-settings').getAttribute('aria-current')).toBe('page');
  expect(screen.getByTestId('nav-reports').getAttribute('href'), 'a link that a second tab can open').toBe('#/e/shop/reports');
});

test('another screen has the focus on its heading, and the frame is passed in the order of its work', async () => {
  await open();
  const title = screen.getByTestId('title');
  await waitFor(() => expect(document.activeElement, 'after loading').toBe(title));
  screen.getByTestId('nav-reports').focus();
  location.hash = '#/e/shop/reports';
  await waitFor(() => expect(title.textContent).toBe('Reports'));
  await waitFor(() => expect(document.activeElement).toBe(title));
  const nav = screen.getByRole('navigation', { name: 'Screens' });
  const following = Node.DOCUMENT_POSITION_FOLLOWING;
  expect(nav.compareDocumentPosition(title) & following, 'Tab goes on from it into the screen, not through the rail').toBeTruthy();
});

test('the button of the palette is called what it says', async () => {
  await open();
  const button = screen.getByTestId('open-palette');
  const says = button.textContent?.replace(/\s+/g, ' ').trim();
  expect(says).toMatch(/^Search or run ?(Ctrl|⌘) K$/);
  expect(screen.getByRole('button', { name: /^Search or run/ })).toBe(button);
  expect(button.getAttribute('aria-label'), 'no other name than its words').toBeNull();
});

test('a session that ended says what to do, and what was shown stays', async () => {
  engine.reset({
    'env.list': () => {
      throw { code: 'authentication', message: 'This browser is not signed in', hint: 'Open the address', retryable: false };
    },
  });
  await open('#/overview');
  expect((await screen.findByTestId('failure')).textContent).toMatch(/not signed in\s*Open the address/);
  expect(screen.queryByTestId('start'), 'nothing below it that would be refused too').toBeNull();
  cleanup();
  engine.reset(calm());
  await open();
  engine.watcher?.onState(
    { code: 'authentication', message: 'Perfdeck was started anew', hint: 'Open the new address', retryable: false },
    null,
  );
  expect((await screen.findByTestId('failure')).textContent).toContain('started anew');
  expect(screen.getByTestId('settings')).toBeTruthy();
});

test('an engine that does not answer is said, with the way to try again', async () => {
  engine.reset({
    'env.list': () => {
      throw refusal('Perfdeck does not answer', 'Is perfctl serve still running?');
    },
  });
  await open('#/overview');
  expect((await screen.findByTestId('failure')).textContent).toMatch(/Perfdeck does not answer\s*Is perfctl serve still running\?/);
  expect(screen.getByTestId('failure-retry')).toBeTruthy();
});

test('the palette finds, moves and runs, and says when nothing is called that', async () => {
  await open();
  await press('k', { ctrlKey: true });
  const field = await screen.findByRole('combobox', { name: 'Search or run' });
  await waitFor(() => expect(document.activeElement).toBe(field));
  expect(screen.getByRole('listbox', { name: 'Commands' }).id).toBe(field.getAttribute('aria-controls'));
  const at = (): string | undefined =>
    document
      .getElementById(field.getAttribute('aria-activedescendant') ?? '')
      ?.querySelector('.name')
      ?.textContent?.trim();
  await waitFor(() => expect(at()).toBe('Go to overview'));
  await press('ArrowUp');
  await waitFor(() => expect(at(), 'from the first to the last').toBe('Show shortcuts'));
  await press('PageUp');
  await waitFor(() => expect(at()).not.toBe('Show shortcuts'));
  await fireEvent.input(field, { target: { value: 'xyzzy' } });
  await waitFor(() => expect(screen.getByText('Nothing is called “xyzzy”')).toBeTruthy());
  await fireEvent.input(field, { target: { value: 'reports' } });
  await waitFor(() => expect(at()).toBe('Go to reports'));
  await press('Enter');
  await waitFor(() => expect(screen.queryByTestId('palette')).toBeNull());
  expect(location.hash).toBe('#/e/shop/reports');
});

test('the shortcuts are shown by their key and hidden by Escape; other keys wait meanwhile', async () => {
  await open();
  await press('?');
  const sheet = await screen.findByRole('dialog', { name: 'Shortcuts' });
  expect(within(sheet).getByText('Search or run')).toBeTruthy();
  await press('g');
  await press('r');
  expect(location.hash, 'g r goes nowhere below a dialog').toBe('#/e/shop/settings');
  await press('Escape');
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  await press('g');
  await press('r');
  expect(location.hash).toBe('#/e/shop/reports');
});

/** What the panel of environments is opened with. */
async function environments(): Promise<HTMLElement> {
  await fireEvent.click(screen.getByTestId('env-block'));
  return screen.findByRole('dialog', { name: 'Environments' });
}

test('the panel of environments adds, edits and deletes with a way back', async () => {
  await open();
  const panel = await environments();
  expect(
    within(panel)
      .getAllByTestId('env-choose')
      .map((r) => r.dataset['env']),
  ).toEqual(['shop', 'demo']);
  const buttons = ['env-add', 'env-edit', 'env-duplicate', 'env-delete'].map((id) => within(panel).getByTestId(id));
  expect(buttons.map((b) => b.getAttribute('aria-label') ?? b.textContent)).toEqual([
    'Add environment',
    'Edit shop',
    'Duplicate shop',
    'Delete shop',
  ]);
  await fireEvent.click(screen.getByTestId('env-delete'));
  await waitFor(() => expect(screen.getByTestId('toast').textContent).toContain('Undo'));
  expect(engine.given('env.delete')).toEqual([{ id: 'shop' }]);
  await waitFor(() => expect(screen.queryByRole('dialog'), 'choosing closes').toBeNull());
});

test('one of a hundred environments is found by a part of its name, and opens on the screen that is shown', async () => {
  const hundred = Array.from({ length: 100 }, (_, i) => summary({ id: `e${i}`, name: `shop ${i}` }));
  engine.reset({ ...calm(), 'env.list': () => [summary(), ...hundred], 'env.get': ({ id }) => environment({ id, name: id }) });
  await open('#/e/shop/reports');
  const panel = await environments();
  const filter = within(panel).getByTestId('environments-filter');
  await waitFor(() => expect(document.activeElement, 'what is typed is looked for').toBe(filter));
  expect(within(panel).getAllByTestId('env-choose').length, 'not all are drawn').toBeLessThanOrEqual(61);
  await fireEvent.input(filter, { target: { value: '87' } });
  await waitFor(() => expect(within(panel).getAllByTestId('env-choose').length).toBe(1));
  expect(within(panel).getByTestId('environments-count').textContent).toBe('1 of 101 environments');
  await fireEvent.keyDown(filter, { key: 'Enter' });
  await waitFor(() => expect(location.hash).toBe('#/e/e87/reports'));
  const again = await environments();
  expect(
    within(again)
      .getAllByTestId('env-choose')
      .slice(0, 2)
      .map((r) => r.dataset['env']),
    'the last ones first',
  ).toEqual(['shop 87', 'shop']);
});

test('an environment is copied when the copy is saved, and not before', async () => {
  await open();
  await environments();
  await fireEvent.click(screen.getByTestId('env-duplicate'));
  await waitFor(() => expect(location.hash).toBe('#/e/shop/environments/shop/copy'));
  expect(engine.given('env.duplicate')).toEqual([]);
});

test('the palette finds things: runs by their names, findings, plans, reports, routes, and what is on the screen', async () => {
  engine.reset({
    ...calm(),
    'run.list': () => Array.from({ length: 1000 }, (_, i) => runSummary({ id: `r${i}`, name: `nightly ${i}` })),
    'comparison.list': () => [comparison()],
    'knee.list': () => [knee()],
    'plan.list': () => [{ id: 'p1', name: 'checkout plan', toml: '', updated_ms: AT }],
    'report.list': () => [report()],
  });
  await open();
  await waitFor(() => expect(engine.given('findings.list').length).toBeGreaterThan(0));
  await press('k', { ctrlKey: true });
  const field = await screen.findByRole('combobox', { name: 'Search or run' });
  const found = async (query: string): Promise<[string, string][]> => {
    await fireEvent.input(field, { target: { value: query } });
    await tick();
    return screen.queryAllByTestId('palette-group').flatMap((g) =>
      within(g)
        .getAllByTestId('palette-item')
        .map((i): [string, string] => [g.getAttribute('aria-label')!, i.querySelector('.name')!.textContent!.trim()]),
    );
  };
  await waitFor(async () => expect((await found('nightly 87'))[0]).toEqual(['Runs', 'nightly 87']));
  expect((await found('nightly')).length, 'and says how many more there are').toBe(8);
  expect(screen.getByText(/992 more/)).toBeTruthy();
  expect(await found('repeats another')).toEqual([['Findings', 'orders_idx repeats another index']]);
  expect(await found('before and after')).toEqual([['Comparisons and knees', 'before and after']]);
  expect(await found('checkout')).toEqual([['Plans', 'checkout plan']]);
  expect((await found('week 47'))[0]).toEqual(['Reports', 'Week 47']);
  expect((await found('benchmark get'))[0]).toEqual(['Routes', 'Benchmark GET /']);
  expect((await found('copy the diagnostics'))[0]).toEqual(['On this screen', 'Copy the diagnostics']);
  expect((await found('dark'))[0]).toEqual(['Actions', 'Use the dark theme']);
  expect((await found('start a bench'))[0]).toEqual(['Actions', 'Start a benchmark']);
  await found('nightly 87');
  const selected = (): string | undefined =>
    document.getElementById(field.getAttribute('aria-activedescendant') ?? '')?.textContent?.trim();
  await waitFor(() => expect(selected()).toContain('nightly 87'));
  await fireEvent.keyDown(field, { key: 'Enter' });
  await waitFor(() => expect(location.hash).toBe('#/e/shop/benchmarks/r87'));
});

test('the rail counts what waits, and the status line says how each target is', async () => {
  await open();
  await waitFor(() => expect(screen.getByTestId('nav-database').textContent).toContain('1'));
  expect(screen.getByTestId('status-database').textContent).toMatch(/database\s+1\.5\sms/);
  engine.push({
    targets: [target({ state: 'down', error: refusal('Connection refused'), last_sample_ms: null })],
    own: { cpu: 0.01, memory_bytes: 50_000_000, dropped_frames: 3, store_bytes: 1 },
  });
  await waitFor(() => expect(screen.getByTestId('status-database').textContent).toContain('unreachable'));
  expect(screen.getByTestId('own-cost').textContent).toContain('dropped frames 3');
  screen.getByTestId('status-database').focus();
  await waitFor(() => expect(document.querySelector('.tip')?.textContent).toContain('Connection refused'));
  engine.push({ targets: [target({ role: 'api', error: { ...refusal('answers the probe with status 503'), code: 'unreachable' } })] });
  await waitFor(() => expect(screen.getByTestId('status-api').textContent, 'quick, and no service').toMatch(/api\s+failing/));
  engine.watcher?.onState(refusal('Perfdeck does not answer'), null);
  await waitFor(() => expect(screen.getByTestId('offline').textContent).toContain('Perfdeck does not answer: trying again'));
  expect(screen.getByTestId('status-api').textContent, 'what was said before is no news').toMatch(/api\s+–/);
  expect(screen.getByTestId('own-cost').textContent).not.toContain('own CPU');
});

test('a paused range goes along by rail, keys, palette and to another environment, and Live ends it', async () => {
  const to = AT - 3_600_000;
  const kept = `?span=900&to=${to}`;
  engine.reset({ ...calm(), 'env.list': () => [summary(), summary({ id: 'mill', name: 'mill' })] });
  await open(`#/e/shop/overview${kept}`);
  await screen.findByTestId('overview');
  await waitFor(() => expect(screen.getByTestId('nav-database').getAttribute('href')).toBe(`#/e/shop/database${kept}`));
  expect(screen.getByTestId('nav-settings').getAttribute('href'), 'no lanes, no range').toBe('#/e/shop/settings');
  await press('g');
  await press('d');
  await waitFor(() => expect(location.hash).toBe(`#/e/shop/database${kept}`));
  await screen.findByTestId('screen-database', {}, { timeout: 10_000 });
  expect(screen.getByTestId('pause').getAttribute('aria-pressed')).toBe('true');
  await press('k', { ctrlKey: true });
  await fireEvent.input(await screen.findByTestId('palette-input'), { target: { value: 'go to overview' } });
  await fireEvent.click(screen.getAllByTestId('palette-item')[0]!);
  await waitFor(() => expect(location.hash).toBe(`#/e/shop/overview${kept}`));
  await screen.findByTestId('screen-overview', {}, { timeout: 10_000 });
  choose('mill', false);
  await waitFor(() => expect(location.hash).toBe(`#/e/mill/overview${kept}`));
  await fireEvent.click(await screen.findByTestId('live'));
  await waitFor(() => expect(screen.getByTestId('nav-database').getAttribute('href')).toBe('#/e/mill/database'));
});

test('an engine that is silent is said in the place of a lost connection, and nothing stands there as of now', async () => {
  await open();
  engine.push({ own: { cpu: 0.01, memory_bytes: 50_000_000, dropped_frames: 3, store_bytes: 1 } });
  await waitFor(() => expect(screen.getByTestId('own-cost').textContent).toContain('own CPU 1.0'));
  engine.watcher?.onState(silent, 12.4);
  await waitFor(() => expect(plainText(screen.getByTestId('offline'))).toBe('No answer from the engine for 12 s'));
  expect(screen.getByTestId('offline').querySelector('[aria-live=off]'), 'its seconds are not read out').toBeTruthy();
  expect(plainText(screen.getByTestId('status-database'))).toBe('database –');
  expect(screen.getByTestId('own-cost').textContent).not.toContain('own CPU');
  engine.watcher?.onState(null, null);
  await waitFor(() => expect(screen.queryByTestId('offline')).toBeNull());
  expect(plainText(screen.getByTestId('status-database'))).toBe('database 1.5 ms');
});

test("the clock of the status line is the engine's", async () => {
  await open();
  engine.push({ at_ms: Date.UTC(2027, 0, 2, 3, 4, 5) });
  await waitFor(() => expect(screen.getByTestId('own-cost').querySelector('[title^="2027-01-02T03:04:0"]')).toBeTruthy());
});

test('the rail counts the changes in force, marks those that were cut off, and is told when that changes', async () => {
  let list = [change(), cutOffChange({ id: 'c2' })];
  engine.reset({ ...calm(), 'changes.list': () => list });
  await open();
  const entry = screen.getByTestId('nav-changes');
  await waitFor(() => expect(within(entry).getByLabelText('2 changes are in force, one was cut off').textContent).toBe('2'));
  expect(entry.querySelector('svg.failed'), 'a glyph goes with the word').toBeTruthy();
  expect(engine.given('changes.list').at(-1)).toEqual({ environment_id: 'shop' });
  list = [];
  engine.push({ changed: ['changes'] });
  await waitFor(() => expect(entry.querySelector('.count')).toBeNull());
});

test('work is shown with its share, can be stopped, and stays when it failed', async () => {
  await open();
  engine.push({ jobs: [job({ title: 'Benchmark of /', progress: 0.25, started_ms: Date.now() - 60_000 })] });
  const shown = await screen.findByTestId('job');
  expect(shown.textContent).toContain('25');
  await fireEvent.click(within(shown).getByRole('button', { name: 'Stop Benchmark of /' }));
  expect(engine.given('job.cancel')).toEqual([{ id: 'j' }]);
  engine.push({ jobs: [job({ state: 'failed', title: 'Benchmark of /', error: refusal('The target refused') })] });
  await waitFor(() => expect(screen.getByRole('alert').textContent).toBe('The target refused'));
  await fireEvent.click(screen.getByTestId('job-dismiss'));
  await waitFor(() => expect(screen.getByTestId('toast').textContent, 'what cannot be done is said').toContain('job.dismiss'));
});

test('a screen that comes later says what it will show, and the findings that wait for it', async () => {
  engine.reset({ ...calm(), 'findings.list': () => [finding({ action: { label: 'Open', opens: { what: 'gateway' } } })] });
  await open('#/e/shop/gateway?finding=f1');
  expect(screen.getByText('The gateway screen comes later')).toBeTruthy();
  const waiting = await screen.findByTestId('finding');
  expect(waiting.textContent).toContain('orders_idx repeats another index');
  expect(waiting.getAttribute('aria-current'), 'the one that led here').toBe('true');
});

test('an environment whose name hides a turn of direction is shown with it: block, title, switcher and palette', async () => {
  const name = 'dev\u202evorp';
  const shown = 'dev<U+202E>vorp';
  engine.reset({ ...calm(), 'env.list': () => [summary({ name })] });
  await open();
  const block = screen.getByTestId('env-block');
  await waitFor(() => expect(document.title).toBe(`Settings, ${shown} – Perfdeck`));
  expect(block.querySelector('bdi')?.textContent, 'on its own, so that it turns nothing beside it').toBe(shown);
  expect([block.title, block.getAttribute('aria-label')]).toEqual([shown, `Environment ${shown}, staging`]);
  await fireEvent.click(block);
  expect((await screen.findByTestId('env-choose')).textContent).toContain(shown);
  expect(screen.getByTestId('env-menu').textContent).not.toContain('\u202e');
  await press('Escape');
  await press('k', { ctrlKey: true });
  await fireEvent.input(await screen.findByTestId('palette-input'), { target: { value: 'open environment dev' } });
  await waitFor(() => expect(screen.getAllByTestId('palette-item')[0]?.title).toBe(`Open environment ${shown}`));
});

const two = () => [summary({ id: 'dev', name: 'dev', kind: 'development' }), summary({ id: 'p1', name: 'prod', kind: 'production' })];
const editing = (handlers: Parameters<typeof engine.reset>[0] = {}) => ({
  ...calm(),
  'env.list': two,
  'env.get': ({ id }: { id: string }) => environment({ id, name: id === 'p1' ? 'prod' : 'dev' }),
  'env.draft': () => ({ ...emptyDraft(), name: 'prod', kind: 'production' as const }),
  'env.defaults': () => defaults(),
  'env.update': () => environment({ id: 'p1', name: 'prod' }),
  'address.parse': () => {
    throw refusal('no address');
  },
  'secrets.status': () => ({ store: 'keychain' as const, locked: false }),
  ...handlers,
});
/** The form of production, opened from the palette while another environment is open. */
async function editProduction(handlers: Parameters<typeof engine.reset>[0] = {}): Promise<void> {
  engine.reset(editing(handlers));
  await open('#/e/dev/reports');
  await press('k', { ctrlKey: true });
  const field = await screen.findByTestId('palette-input');
  await waitFor(() => expect(document.activeElement).toBe(field));
  await fireEvent.input(field, { target: { value: 'edit environment prod' } });
  await waitFor(() => expect(screen.getAllByTestId('palette-item')[0]?.title).toBe('Edit environment prod'));
  await press('Enter');
  await screen.findByTestId('env-pool-size');
}

test('the form of another environment names that one and its kind, and leads back to where it was opened', async () => {
  await editProduction();
  expect(screen.getByTestId('title').textContent).toBe('Edit environment prod');
  expect([screen.getByTestId('about').dataset['kind'], screen.getByTestId('about').textContent]).toEqual(['production', 'production']);
  await waitFor(() => expect(document.title).toBe('Edit environment, prod – Perfdeck'));
  expect(screen.getByTestId('env-block').getAttribute('aria-label'), 'where the reader is').toBe('Environment dev, development');
  await fireEvent.submit(screen.getByTestId('env-form'));
  await waitFor(() => expect(location.hash).toBe('#/e/dev/reports'));
  expect(engine.given('env.update')[0]?.id).toBe('p1');
  expect(screen.getByTestId('toast').textContent).toContain('Saved prod');
  location.hash = '#/e/dev/environments/p1';
  await fireEvent.click(await screen.findByTestId('env-cancel'));
  await waitFor(() => expect(location.hash).toBe('#/e/dev/reports'));
});

test('production is deleted by its typed name only; an unguarded one at once, with a way back', async () => {
  await editProduction();
  await fireEvent.input(screen.getByTestId('env-name'), { target: { value: 'x' } });
  await fireEvent.click(screen.getByTestId('env-form-delete'));
  const asked = await screen.findByTestId('env-remove');
  expect(asked.textContent, 'by the name that is stored').toContain('Delete prod');
  const confirm = within(asked).getByTestId<HTMLButtonElement>('env-remove-confirm');
  expect([confirm.disabled, confirm.textContent]).toEqual([true, 'Delete production']);
  await fireEvent.submit(confirm.form!);
  expect(engine.given('env.delete')).toEqual([]);
  await fireEvent.input(within(asked).getByTestId('env-remove-name'), { target: { value: 'prod' } });
  await fireEvent.click(confirm);
  await waitFor(() => expect(engine.given('env.delete')).toEqual([{ id: 'p1' }]));
  await waitFor(() => expect(location.hash, 'where the reader was').toBe('#/e/dev/reports'));
  await waitFor(() => expect(screen.queryByTestId('env-remove')).toBeNull());
  await remove('dev');
  expect(screen.queryByTestId('env-remove')).toBeNull();
  expect(engine.given('env.delete').at(-1)).toEqual({ id: 'dev' });
});

test.each([
  ['read-only', { read_only: true }, {}],
  ['guarded by its name', {}, { guards: { ...guards, typed_confirmation: true } }],
])('an environment that is %s is deleted by its typed name only', async (_, listed, full) => {
  engine.reset({ ...calm(), 'env.list': () => [summary(listed)], 'env.get': () => environment(full) });
  await open();
  await remove('shop');
  expect(await screen.findByTestId('env-remove')).toBeTruthy();
  expect(engine.given('env.delete')).toEqual([]);
  await fireEvent.click(screen.getByTestId('env-remove-leave'));
});

test('of names that differ in their case the palette offers the one that was typed first', async () => {
  const names = ['PROD', 'Prod', 'prod', 'prod-eu'];
  engine.reset({ ...calm(), 'env.list': () => names.map((name) => summary({ id: `id-${name}`, name })) });
  await open('#/settings');
  await press('k', { ctrlKey: true });
  const field = await screen.findByTestId('palette-input');
  await waitFor(() => expect(document.activeElement).toBe(field));
  for (const name of names) {
    await fireEvent.input(field, { target: { value: name } });
    await waitFor(() => expect(screen.getAllByTestId('palette-item')[0]?.title).toBe(`Open environment ${name}`));
  }
  for (const name of names) {
    await fireEvent.input(field, { target: { value: `delete environment ${name}` } });
    await waitFor(() => expect(screen.getAllByTestId('palette-item')[0]?.title).toBe(`Delete environment ${name}`));
  }
  await fireEvent.input(field, { target: { value: 'Prod' } });
  await waitFor(() => expect(screen.getAllByTestId('palette-item')[0]?.title).toBe('Open environment Prod'));
  await press('Enter');
  await waitFor(() => expect(location.hash).toContain('/e/id-Prod/'));
});

test('an address of no screen says so, with the way to the start screen', async () => {
  await open('#/e/shop/nowhere');
  expect(screen.getByTestId('lost').textContent).toMatch(/There is no such screen.*\/nowhere/);
  await waitFor(() => expect(document.title).toBe('No such screen, shop – Perfdeck'));
  expect(screen.getByTestId('lost-start').getAttribute('href')).toBe('#/e/shop/start');
  location.hash = screen.getByTestId('lost-start').getAttribute('href')!;
  expect(await screen.findByTestId('start')).toBeTruthy();
});

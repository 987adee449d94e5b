// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import type { AddressInfo, EnvironmentDraft } from '../../backend/types';
import { app } from '../../kit/app.svelte';
import { emptyDraft } from '../../kit/draft';
import { asContext } from '../../kit/screen';
import { toasts } from '../../kit/toasts.svelte';
import { addressInfo } from '../../testing/addresses';
import { engine, refusal } from '../../testing/backend';
import { AT, defaults, environment, guards, pool, summary } from '../../testing/values';
import { freshWindow } from '../../testing/window';
import Editor from './index.svelte';

vi.mock('../../backend', async () => (await import('../../testing/backend')).door);

const parsed = (text: string): AddressInfo =>
  addressInfo({
    role: text.startsWith('redis') ? 'cache' : 'database',
    has_password: text.includes(':secret@'),
    url: text.replace(':secret@', '@'),
  });
const well = () => ({
  'secrets.status': () => ({ store: 'keychain' as const, locked: false }),
  'env.defaults': ({ kind }: { kind: string }) =>
    defaults(kind === 'production' ? { pool: { ...pool, size: 20 }, guards: { ...guards, read_only: true } } : {}),
  'address.parse': ({ text }: { text: string }) => parsed(text),
  'env.list': () => [summary()],
  'env.get': () => environment(),
  'monitor.start': () => [],
  'findings.list': () => [],
});

function open(path = '/environments/new'): void {
  const app = freshWindow();
  app.path = path;
  render(Editor, { context: asContext(app.screens()) });
}
beforeEach(() => engine.reset(well()));

test('another kind takes its own pool and guards along, and says what differs from them', async () => {
  open();
  const size = (await screen.findByTestId('env-pool-size')) as HTMLInputElement;
  expect(size.value).toBe('5');
  await fireEvent.click(screen.getByTestId('env-kind-production'));
  expect(size.value).toBe('20');
  expect(screen.getByTestId('env-read-only').getAttribute('aria-checked')).toBe('true');
  await fireEvent.input(size, { target: { value: '7' } });
  expect(screen.getByText('differs from production: connections kept')).toBeTruthy();
  await fireEvent.click(screen.getByTestId('env-reset'));
  expect(size.value).toBe('20');
  expect(screen.getByText('all as in production')).toBeTruthy();
});

test('a share that is none is refused at its field', async () => {
  open();
  await fireEvent.input(await screen.findByTestId('env-max-errors'), { target: { value: '140' } });
  expect(screen.getByTestId('env-max-errors-error').textContent).not.toBe('');
  expect(screen.getByTestId('env-max-errors').getAttribute('aria-invalid')).toBe('true');
});

test('an address shows its parts, and one of another target is refused by name', async () => {
  open();
  const field = (await screen.findByTestId('env-database')) as HTMLInputElement;
  await fireEvent.input(field, { target: { value: 'postgres://reader:secret@db.example/app' } });
  await fireEvent.change(field);
  await waitFor(() => expect(field.value, 'the password is taken out of the field').toBe('postgres://reader@db.example/app'));
  expect((await screen.findByTestId('env-database-parts')).textContent).toContain('db.example');
  await fireEvent.input(field, { target: { value: 'redis://cache.example/0' } });
  await waitFor(() => expect(screen.getByTestId('env-database-error').textContent).toContain('This is the address of the cache'));
});

test('a test shows each stage with the statement that mends it', async () => {
  engine.reset({
    ...well(),
    'env.test_draft': () => [
      {
        role: 'database',
        address: 'db.example:5432',
        ok: false,
        stages: [
          { stage: 'tcp', outcome: 'ok', detail: 'connected', fix: null, elapsed_ms: 2 },
          { stage: 'permissions', outcome: 'failed', detail: 'may not read statistics', fix: 'GRANT pg_monitor TO reader;', elapsed_ms: 1 },
        ] as never,
        version: null,
        error: refusal('It may not read statistics'),
      },
    ],
  });
  open();
  await fireEvent.input(await screen.findByTestId('env-database'), { target: { value: 'postgres://reader@db.example/app' } });
  await fireEvent.click(screen.getByTestId('env-test'));
  const report = await screen.findByTestId('report-database');
  expect(report.dataset['ok']).toBe('false');
  expect(within(report).getByText('GRANT pg_monitor TO reader;')).toBeTruthy();
  expect(engine.given('env.test_draft')[0]?.draft.name, 'a name is not needed for it').toBe('untitled');
  Object.assign(navigator, { clipboard: { writeText: async () => undefined } });
  await fireEvent.click(within(report).getByTestId('copy-fix'));
  await within(report).findByText('Copied');
  expect(within(report).getByTestId('copy-fix').textContent, 'it is said on the button').toContain('Copied');
});

test('a refusal is said at its field, any other below the form', async () => {
  let message = 'name: is taken';
  engine.reset({
    ...well(),
    'env.create': () => {
      throw refusal(message, 'Choose another one');
    },
  });
  open();
  await fireEvent.input(screen.getByTestId('env-name'), { target: { value: 'shop' } });
  await screen.findByTestId('env-pool-size');
  await fireEvent.submit(screen.getByTestId('env-form'));
  await waitFor(() => expect(screen.getByTestId('env-name-error').textContent).toContain('Is taken. Choose another one'));
  message = 'The store is full';
  await fireEvent.submit(screen.getByTestId('env-form'));
  await waitFor(() => expect(screen.getByTestId('env-problem').textContent).toContain('The store is full'));
});

test('a stored environment is edited, saved and opened', async () => {
  const draft: EnvironmentDraft = { ...emptyDraft(), name: 'shop', kind: 'staging' };
  engine.reset({ ...well(), 'env.draft': () => draft, 'env.update': () => environment() });
  open('/environments/shop');
  await waitFor(() => expect((screen.getByTestId('env-name') as HTMLInputElement).value).toBe('shop'));
  await fireEvent.input(screen.getByTestId('env-name'), { target: { value: 'shop two' } });
  await fireEvent.submit(screen.getByTestId('env-form'));
  await waitFor(() => expect(location.hash).toBe('#/e/shop/overview'));
  expect(engine.given('env.update')[0]).toMatchObject({ id: 'shop', draft: { name: 'shop two', kind: 'staging' }, read_ms: AT });
});

/** A stored environment in the form, with what others store meanwhile. */
async function edit(handlers: Parameters<typeof engine.reset>[0] = {}, now = { stored: environment() }): Promise<typeof now> {
  const draft: EnvironmentDraft = { ...emptyDraft(), name: 'shop', kind: 'staging' };
  engine.reset({ ...well(), 'env.draft': () => draft, 'env.get': () => now.stored, 'env.update': () => environment(), ...handlers });
  const app = freshWindow();
  app.environments = [summary()];
  await app.open('shop', null);
  app.path = '/environments/shop';
  render(Editor, { context: asContext(app.screens()) });
  await waitFor(() => expect(name().value).toBe('shop'));
  await screen.findByTestId('env-pool-size');
  return now;
}
const name = (): HTMLInputElement => screen.getByTestId('env-name');
const rename = (value: string) => fireEvent.input(name(), { target: { value } });
const save = (): HTMLButtonElement => screen.getByTestId('env-save');

test('what somebody else stores meanwhile is said before it is written over, and shown on request', async () => {
  const now = await edit();
  await rename('shop two');
  now.stored = environment({ updated_ms: AT + 1000, guards: { ...guards, read_only: true, typed_confirmation: true } });
  engine.push({ changed: ['environments'] });
  const notice = await screen.findByTestId('env-elsewhere');
  expect(notice.textContent).toMatch(/It was changed elsewhere.*: the guards/);
  expect(notice.querySelector('time')?.dateTime, 'when').toBe(new Date(AT + 1000).toISOString());
  expect([name().value, save().disabled]).toEqual(['shop two', true]);
  await fireEvent.submit(screen.getByTestId('env-form'));
  expect(engine.given('env.update')).toEqual([]);
  await fireEvent.click(screen.getByTestId('env-show-stored'));
  await waitFor(() => expect(name().value).toBe('shop'));
  await waitFor(() => expect(save().disabled).toBe(false));
  expect(screen.queryByTestId('env-elsewhere')).toBeNull();
  await fireEvent.submit(screen.getByTestId('env-form'));
  await waitFor(() =>
    expect(
      engine.given('env.update').map((r) => r.read_ms),
      'of what is shown now',
    ).toEqual([AT + 1000]),
  );
});

test('a save that comes too late is refused, and what was entered stays', async () => {
  const now = await edit({
    'env.update': () => {
      now.stored = environment({ updated_ms: AT + 1000 });
      throw { ...refusal('It was changed after it was read', 'Look at what is stored first'), code: 'conflict' };
    },
  });
  await rename('shop two');
  await fireEvent.submit(screen.getByTestId('env-form'));
  const notice = await screen.findByTestId('env-elsewhere');
  expect(notice.textContent).toMatch(/Not saved: it was changed elsewhere.*Look at what is stored first/s);
  expect([name().value, screen.queryByTestId('env-problem')]).toEqual(['shop two', null]);
});

test('a name that is taken is a conflict of another kind', async () => {
  await edit({
    'env.update': () => {
      throw { ...refusal("An environment named 'demo' exists already"), code: 'conflict' };
    },
  });
  await fireEvent.submit(screen.getByTestId('env-form'));
  expect((await screen.findByTestId('env-problem')).textContent).toContain('exists already');
  expect(screen.queryByTestId('env-elsewhere')).toBeNull();
});

test('what was entered is there again after another screen, of the version that it was entered into, and nowhere else', async () => {
  const now = await edit();
  await rename('shop two');
  await fireEvent.input(screen.getByTestId('env-database'), { target: { value: 'postgres://reader@db.example/app' } });
  await fireEvent.input(await screen.findByTestId('env-database-secret'), { target: { value: 'hunter2' } });
  expect(asksBeforeItGoes()).toBe(true);
  cleanup();
  now.stored = environment({ updated_ms: AT + 1000 });
  await again();
  await waitFor(() => expect(name().value).toBe('shop two'));
  expect((await screen.findByTestId<HTMLInputElement>('env-database-secret')).value).toBe('hunter2');
  expect(screen.getByTestId('env-unsaved').textContent).toContain('Not saved, as you left it');
  expect((await screen.findByTestId('env-elsewhere')).textContent, 'it was stored meanwhile').toContain('changed elsewhere');
  expect(JSON.stringify([{ ...sessionStorage }, { ...localStorage }])).not.toContain('hunter2');
  await fireEvent.click(screen.getByTestId('env-unsaved-discard'));
  await waitFor(() => expect(name().value).toBe('shop'));
  expect([screen.queryByTestId('env-unsaved'), asksBeforeItGoes()]).toEqual([null, false]);
  toasts.list[0]?.action?.run();
  await waitFor(() => expect(name().value, 'also what was discarded').toBe('shop two'));
  await fireEvent.click(screen.getByTestId('env-unsaved-discard'));
});

test('what was saved or cancelled is not there again', async () => {
  await edit();
  await rename('shop two');
  await fireEvent.submit(screen.getByTestId('env-form'));
  await waitFor(() => expect(engine.given('env.update').length).toBe(1));
  cleanup();
  await again();
  await waitFor(() => expect(name().value).toBe('shop'));
  await rename('shop three');
  await fireEvent.click(screen.getByTestId('env-cancel'));
  expect(asksBeforeItGoes()).toBe(false);
  cleanup();
  await again();
  await waitFor(() => expect(name().value).toBe('shop'));
});

async function again(): Promise<void> {
  app.path = '/environments/shop';
  render(Editor, { context: asContext(app.screens()) });
}
/** Whether the browser asks before a reload. */
const asksBeforeItGoes = (): boolean => !dispatchEvent(new Event('beforeunload', { cancelable: true }));

test("a copy is edited before it is made, and its secrets are the original's", async () => {
  const draft = { ...emptyDraft(), name: 'shop' };
  draft.targets = { ...draft.targets, database: 'postgres://reader@db.example/app' };
  engine.reset({ ...well(), 'env.draft': () => draft, 'env.duplicate': () => environment({ id: 'copy', name: 'shop copy' }) });
  const app = freshWindow();
  app.environments = [summary()];
  app.path = '/environments/shop/copy';
  render(Editor, { context: asContext(app.screens()) });
  const name = (await screen.findByTestId('env-name')) as HTMLInputElement;
  await waitFor(() => expect(name.value).toBe('shop copy'));
  expect(engine.given('env.duplicate'), 'nothing is made before it is saved').toEqual([]);
  expect(screen.getByTestId('env-save').textContent).toBe('Add the copy');
  await fireEvent.input(name, { target: { value: 'shop staging' } });
  await fireEvent.submit(screen.getByTestId('env-form'));
  await waitFor(() => expect(engine.given('env.duplicate').length).toBe(1));
  expect(engine.given('env.duplicate')[0]).toMatchObject({ id: 'shop', draft: { name: 'shop staging' } });
  expect(engine.given('env.create')).toEqual([]);
});

// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, expect, test, vi } from 'vitest';
import { toasts } from '../kit/toasts.svelte';
import { engine, refusal } from '../testing/backend';
import { environment, guards, summary } from '../testing/values';
import { freshWindow } from '../testing/window';
import Guard from './Guard.svelte';
import Toasts from './Toasts.svelte';

vi.mock('../backend', async () => (await import('../testing/backend')).door);

function show(of: Parameters<typeof summary>[0], typed = false): void {
  const app = freshWindow();
  app.environments = [summary({ id: 'p', name: 'shop-prod', kind: 'production', read_only: true, ...of })];
  app.currentId = of?.id ?? 'p';
  app.full = environment({ id: app.currentId, guards: { ...guards, typed_confirmation: typed } });
}
beforeEach(() => engine.reset());

test('what may be changed has no guard', () => {
  show({ read_only: false });
  render(Guard);
  expect(screen.queryByTestId('guard')).toBeNull();
});

test('a guarded environment is unlocked by its typed name only, and a refusal is said at the field', async () => {
  show({}, true);
  engine.reset({
    'env.unlock': () => {
      throw refusal('name: is another one');
    },
  });
  render(Guard);
  expect(screen.getByTestId('read-only').textContent).toBe('Read-only');
  await fireEvent.click(screen.getByTestId('env-unlock'));
  const confirm = (await screen.findByTestId('unlock-confirm')) as HTMLButtonElement;
  expect(screen.getByRole('dialog').getAttribute('aria-label')).toBe('Unlock shop-prod for 15 minutes');
  expect(confirm.disabled).toBe(true);
  await fireEvent.input(screen.getByTestId('unlock-name'), { target: { value: 'shop-prod' } });
  expect(confirm.disabled).toBe(false);
  await fireEvent.click(confirm);
  await waitFor(() => expect(screen.getByTestId('unlock-name-error').textContent).toContain('name: is another one'));
  expect(engine.given('env.unlock')).toEqual([{ id: 'p', confirm: 'shop-prod' }]);
});

test('another environment that is opened meanwhile is not unlocked in its place', async () => {
  show({}, true);
  engine.reset({ 'env.unlock': () => 0 });
  render(Guard);
  await fireEvent.click(screen.getByTestId('env-unlock'));
  await screen.findByTestId('unlock-confirm');
  show({ id: 'q', name: 'other' }, true);
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(screen.getByTestId('env-unlock'), 'it is another one, locked').toBeTruthy();
  expect(engine.given('env.unlock')).toEqual([]);
});

test('an unlocked one says for how long, and locks at once on request', async () => {
  show({ unlocked_until_ms: Date.now() + 10 * 60_000 });
  engine.reset({
    'env.lock': () => true,
    'env.list': () => [summary({ id: 'p', name: 'shop-prod', read_only: true })],
    'env.get': () => environment(),
  });
  render(Guard);
  expect(screen.getByTestId('guard').textContent).toMatch(/Unlocked, locks itself in (10|9)\smin/);
  await fireEvent.click(screen.getByTestId('env-lock'));
  await waitFor(() => expect(screen.getByTestId('read-only')).toBeTruthy());
  expect(engine.given('env.lock')).toEqual([{ id: 'p' }]);
});

test('a message does its action once and goes', async () => {
  const run = vi.fn();
  render(Toasts);
  toasts.show('Deleted shop', { label: 'Undo', run });
  await fireEvent.click(await screen.findByText('Undo'));
  expect(run).toHaveBeenCalledOnce();
  await waitFor(() => expect(screen.queryByTestId('toast')).toBeNull());
  toasts.show('Copied');
  await fireEvent.click(await screen.findByRole('button', { name: 'Dismiss' }));
  await waitFor(() => expect(screen.queryByTestId('toast')).toBeNull());
});

// What is done to environments from several places: the menu, the palette and the editor.
import { rpc, toApiError } from '../backend';
import type { EnvironmentSummary } from '../backend/types';
import { app } from './app.svelte';
import { paused } from './paused.svelte';
import { toasts } from './toasts.svelte';
import { typed } from './typed.svelte';

const failed = (error: unknown): void => void toasts.show(toApiError(error).message);

/** What of a path is of no environment, and is shown in another one as well. */
const SHARED = /^\/(benchmarks\/(plans(\/.*)?|new)|reports(\/.*)?|settings)$/;

/** Where a reader is after they chose another environment: on the same screen, without what belongs to the former. */
export function stays(path: string): string {
  const screen = `/${path.split('/')[1] ?? ''}`;
  if (screen === '/start' || screen === '/environments' || screen === '/') return '/overview';
  return SHARED.test(path) ? path : screen;
}

/**
 * Opens an environment on the screen that is shown, as far as it is one of an environment, and at the time that it is paused at;
 * the demo where it is built.
 */
export function choose(id: string, demo: boolean): void {
  const to = paused.within(stays(app.path));
  if (id === app.currentId) app.go(to);
  else if (demo) app.go(`/start?open=demo&to=${encodeURIComponent(to)}`);
  else void app.open(id, to);
}

/** Whether load and destructive changes of an environment ask for its name; where that cannot be read, they do. */
async function isGuarded({ id, kind, read_only }: EnvironmentSummary): Promise<boolean> {
  if (kind === 'production' || read_only) return true;
  return rpc('env.get', { id }).then(
    (full) => full.guards.typed_confirmation,
    () => true,
  );
}

/** Deletes an environment, one that is guarded when its name was typed, and offers to bring it back; `then` is told when it is done. */
export async function remove(id: string, then?: () => void): Promise<void> {
  const of = app.environments.find((e) => e.id === id);
  if (of === undefined) return failed({ message: 'This environment is not here any more' });
  if (!(await isGuarded(of))) return removeNow(of, then).catch(failed);
  typed.ask({
    name: of.name,
    kind: of.kind,
    title: `Delete ${of.name}`,
    text: 'Perfdeck forgets its targets and stops watching them; nothing on them is touched. It can be brought back for a week.',
    word: `Delete ${of.kind}`,
    leave: 'Keep it',
    danger: true,
    act: () => removeNow(of, then),
    testid: 'env-remove',
  });
}

async function removeNow({ id, name }: EnvironmentSummary, then?: () => void): Promise<void> {
  const wasOpen = app.currentId === id;
  await rpc('env.delete', { id });
  if (wasOpen) app.close();
  await app.refresh();
  then?.();
  toasts.show(`Deleted ${name}`, {
    label: 'Undo',
    run: () =>
      void rpc('env.restore', { id })
        .then(() => app.refresh())
        .then(() => (wasOpen ? app.open(id) : undefined))
        .catch(failed),
  });
}

/** Opens a copy of an environment in the editor; there is none before it is saved. */
export const duplicate = (id: string): void => app.go(`/environments/${encodeURIComponent(id)}/copy`);

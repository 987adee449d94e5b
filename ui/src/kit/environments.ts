// What is done to environments from several places: the menu, the palette and the editor.
import { rpc, toApiError } from '../backend';
import { app } from './app.svelte';
import { paused } from './paused.svelte';
import { toasts } from './toasts.svelte';

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

/** Deletes an environment and offers to bring it back. */
export async function remove(id: string, name: string): Promise<void> {
  try {
    const wasOpen = app.currentId === id;
    await rpc('env.delete', { id });
    if (wasOpen) app.close();
    await app.refresh();
    toasts.show(`Deleted ${name}`, {
      label: 'Undo',
      run: () =>
        void rpc('env.restore', { id })
          .then(() => app.refresh())
          .then(() => (wasOpen ? app.open(id) : undefined))
          .catch(failed),
    });
  } catch (error) {
    failed(error);
  }
}

/** Opens a copy of an environment in the editor; there is none before it is saved. */
export const duplicate = (id: string): void => app.go(`/environments/${encodeURIComponent(id)}/copy`);

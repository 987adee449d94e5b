// The window's own state for tests of what uses it: as it is before anything was asked.
import { app } from '../kit/app.svelte';
import { toasts } from '../kit/toasts.svelte';

export function freshWindow(): typeof app {
  Object.assign(app, { environments: [], currentId: null, full: null, targets: [], jobs: [], own: null, findings: null });
  Object.assign(app, { offline: null, failure: null, path: '/start', ready: false, asking: '' });
  toasts.list = [];
  return app;
}

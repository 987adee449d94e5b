// Changes: what Perfdeck altered on targets, and the way back.
import { app } from '../../kit/app.svelte';
import { resource } from '../../kit/resource.svelte';
import type { Feature } from '../../kit/feature';
import { countOf } from './standing';

export const feature: Feature = {
  path: '/changes',
  title: 'Changes',
  rail: { icon: 'history', key: 'h' },
  jobs: ['change'],
  shortcuts: [
    [['↑', '↓'], 'Choose the change above or below'],
    [['Enter'], 'Go to what can be done with it'],
  ],
  commands: () =>
    app.current ? [{ name: `Show what Perfdeck altered on ${app.current.name}`, hint: 'undo, keep', run: () => app.go('/changes') }] : [],
  count(screen) {
    const changes = resource(
      screen,
      'changes.list',
      () => (screen.environment === null ? null : { environment_id: screen.environment.id }),
      ['changes'],
    );
    return () => countOf(changes.value ?? []);
  },
  load: () => import('./index.svelte'),
};

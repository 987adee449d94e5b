// Recently deleted: what can be restored yet. Reached from the lists that things are deleted from, and from the palette.
import { app } from '../../kit/app.svelte';
import { DELETED } from '../../kit/deleted';
import type { Feature } from '../../kit/feature';

export const feature: Feature = {
  path: '/deleted',
  title: 'Recently deleted',
  commands: () => [
    { name: 'Show what was recently deleted', hint: 'kept for seven days', also: 'restore undo trash', run: () => app.go(DELETED) },
  ],
  load: () => import('./index.svelte'),
};

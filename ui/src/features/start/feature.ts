// The start screen: what there is to open.
import { app } from '../../kit/app.svelte';
import type { Feature } from '../../kit/feature';

export const feature: Feature = {
  path: '/start',
  title: 'Start',
  commands: () => [{ name: 'Go to the start screen', hint: '', run: () => app.go('/start') }],
  load: () => import('./index.svelte'),
};

// The overview: the live lanes of an environment, findings on top.
import type { Feature } from '../../kit/feature';

export const feature: Feature = {
  path: '/overview',
  title: 'Overview',
  rail: { icon: 'pulse', key: 'o' },
  load: () => import('./index.svelte'),
};

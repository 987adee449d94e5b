// Reports that were written.
import type { Feature } from '../../kit/feature';

export const feature: Feature = {
  path: '/reports',
  title: 'Reports',
  rail: { icon: 'page', key: 'r' },
  jobs: ['report'],
  load: () => import('./index.svelte'),
};

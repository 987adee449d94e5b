// The database: its lanes and the statements that run now.
import type { Feature } from '../../kit/feature';

export const feature: Feature = {
  path: '/database',
  title: 'Database',
  lanes: true,
  rail: { icon: 'database', key: 'd', line: true },
  load: () => import('./index.svelte'),
};

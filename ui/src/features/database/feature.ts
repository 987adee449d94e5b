// The database: what it does now, in parts with addresses of their own.
import type { Feature, Tab } from '../../kit/feature';

const TABS: readonly Tab[] = [
  { path: '/database', title: 'Activity', lanes: true },
  { path: '/database/statements', title: 'Statements', lanes: true },
  { path: '/database/pool', title: 'Pool' },
];

export const feature: Feature = {
  path: '/database',
  title: 'Database',
  tabs: TABS,
  knows: (path) => TABS.some((tab) => tab.path === path),
  rail: { icon: 'database', key: 'd', line: true },
  load: () => import('./index.svelte'),
};

// The database: what it does now and what it holds, in parts with addresses of their own.
import type { Feature, Tab } from '../../kit/feature';

const TABS: readonly Tab[] = [
  { path: '/database', title: 'Activity', lanes: true },
  { path: '/database/statements', title: 'Statements', lanes: true },
  { path: '/database/schema', title: 'Schema' },
  { path: '/database/advice', title: 'Advice' },
  { path: '/database/pool', title: 'Pool' },
  { path: '/database/plan', title: 'Plan', led: true },
  { path: '/database/size', title: 'Pool size', led: true },
];

export const feature: Feature = {
  path: '/database',
  title: 'Database',
  tabs: TABS,
  knows: (path) => TABS.some((tab) => tab.path === path),
  shortcuts: [[['a'], 'Advise on indexes, on the part Advice']],
  rail: { icon: 'database', key: 'd', line: true },
  load: () => import('./index.svelte'),
};

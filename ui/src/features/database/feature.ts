// The database: what it does now and what it holds, in parts with addresses of their own.
import type { Feature, Tab } from '../../kit/feature';

const TABS: readonly Tab[] = [
  { path: '/database', title: 'Activity', lanes: true },
  { path: '/database/statements', title: 'Statements', lanes: true },
  { path: '/database/schema', title: 'Schema' },
  { path: '/database/pool', title: 'Pool' },
];
/** Parts that others lead to. */
const BESIDE: readonly string[] = ['/database/plan'];

export const feature: Feature = {
  path: '/database',
  title: 'Database',
  tabs: TABS,
  titleAt: (path) => (path === '/database/plan' ? 'Plan' : 'Database'),
  knows: (path) => BESIDE.includes(path) || TABS.some((tab) => tab.path === path),
  rail: { icon: 'database', key: 'd', line: true },
  load: () => import('./index.svelte'),
};

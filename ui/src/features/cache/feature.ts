// The cache: what it holds and does, in parts with addresses of their own.
import type { Feature, Tab } from '../../kit/feature';

const TABS: readonly Tab[] = [
  { path: '/cache', title: 'Map', lanes: true },
  { path: '/cache/slowlog', title: 'Slow log' },
  { path: '/cache/clients', title: 'Clients' },
];
/** Addresses of before, and where those parts are now. */
export const MOVED: Readonly<Record<string, string>> = { '/cache/map': '/cache' };

export const feature: Feature = {
  path: '/cache',
  title: 'Cache',
  tabs: TABS,
  knows: (path) => path in MOVED || TABS.some((tab) => tab.path === path),
  rail: { icon: 'grid', key: 'c' },
  jobs: ['cache_map'],
  load: () => import('./index.svelte'),
};

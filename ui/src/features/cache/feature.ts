// The cache: what it holds and does, in parts with addresses of their own.
import type { Feature, Tab } from '../../kit/feature';

const TABS: readonly Tab[] = [
  { path: '/cache', title: 'Map', lanes: true },
  // Others lead to keys by `#/e/ID/cache/keys?pattern=…`: the pattern as it is typed there, which `patternText` of keys/names.ts makes of bytes;
  // `type`, `ttl` (`never`, or less than so many seconds) and `min` (bytes) filter besides, `key` (`idOf`) is the one that is shown.
  { path: '/cache/keys', title: 'Keys' },
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

// The screens: their addresses, names and keys.
export interface Route {
  path: string;
  title: string;
  icon: string;
  /** Second key after g. */
  key: string;
  /** What will be there, for screens whose content comes later. */
  soon?: string;
}

export const ROUTES: Route[] = [
  { path: '/overview', title: 'Overview', icon: 'pulse', key: 'o' },
  { path: '/database', title: 'Database', icon: 'database', key: 'd', soon: 'Sessions, slow statements, index advice and safe index changes will be here.' },
  { path: '/cache', title: 'Cache', icon: 'grid', key: 'c', soon: 'The map of namespaces, values, and invalidation with undo will be here.' },
  { path: '/gateway', title: 'Gateway', icon: 'gateway', key: 'w', soon: 'Compression, response caching and rate limits in front of your API, each with its measured benefit, will be here.' },
  { path: '/benchmarks', title: 'Benchmarks', icon: 'curve', key: 'b' },
  { path: '/experiments', title: 'Experiments', icon: 'branch', key: 'e', soon: 'One change at a time, measured in interleaved pairs until there is a verdict, will be here.' },
  { path: '/alerts', title: 'Alerts', icon: 'bell', key: 'a', soon: 'Rules with hysteresis, tried on past data before they fire, will be here.' },
  { path: '/scorecard', title: 'Scorecard', icon: 'checks', key: 's', soon: 'Every check measured on the live environment, with its evidence and its fix, will be here.' },
  { path: '/reports', title: 'Reports', icon: 'page', key: 'r' },
  { path: '/settings', title: 'Settings', icon: 'sliders', key: ',' },
];
/** A line above these. */
export const GROUPS = new Set(['/database', '/benchmarks', '/alerts', '/settings']);

/** The path in a URL's fragment; the start screen where there is none. */
export function pathOf(hash: string): string {
  const text = hash.replace(/^#/, '').split('?')[0] ?? '';
  return text.startsWith('/') && text.length > 1 ? text : '/start';
}

/** The parameters behind the path. */
export function queryOf(hash: string): URLSearchParams {
  return new URLSearchParams(hash.split('?')[1] ?? '');
}

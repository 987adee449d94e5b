// The screens: their addresses, names and keys.
export type Screen = 'start' | 'overview' | 'benchmarks' | 'reports' | 'settings' | 'environment' | 'database' | 'soon';

export interface Route {
  path: string;
  title: string;
  icon: string;
  screen: Screen;
  /** Second key after g. */
  key: string;
}

export const ROUTES: readonly Route[] = [
  { path: '/overview', title: 'Overview', icon: 'pulse', key: 'o', screen: 'overview' },
  { path: '/database', title: 'Database', icon: 'database', key: 'd', screen: 'database' },
  { path: '/cache', title: 'Cache', icon: 'grid', key: 'c', screen: 'soon' },
  { path: '/gateway', title: 'Gateway', icon: 'gateway', key: 'w', screen: 'soon' },
  { path: '/benchmarks', title: 'Benchmarks', icon: 'curve', key: 'b', screen: 'benchmarks' },
  { path: '/experiments', title: 'Experiments', icon: 'branch', key: 'e', screen: 'soon' },
  { path: '/alerts', title: 'Alerts', icon: 'bell', key: 'a', screen: 'soon' },
  { path: '/scorecard', title: 'Scorecard', icon: 'checks', key: 's', screen: 'soon' },
  { path: '/reports', title: 'Reports', icon: 'page', key: 'r', screen: 'reports' },
  { path: '/settings', title: 'Settings', icon: 'sliders', key: ',', screen: 'settings' },
];

/** A line above these. */
export const GROUPS: ReadonlySet<string> = new Set(['/database', '/benchmarks', '/alerts', '/settings']);

/** The path in a URL's fragment; the start screen where there is none. */
export function pathOf(hash: string): string {
  const text = hash.replace(/^#/, '').split('?')[0] ?? '';
  return text.startsWith('/') && text.length > 1 ? text : '/start';
}

/** The parameters behind the path. */
export function queryOf(hash: string): URLSearchParams {
  return new URLSearchParams(hash.split('?')[1] ?? '');
}

/** The route that a path belongs to: itself, or what it lies under. */
export function routeOf(path: string): Route | undefined {
  return ROUTES.find((r) => path === r.path || path.startsWith(`${r.path}/`));
}

/** The environment that a path edits: an id, `null` for a new one, `undefined` when it edits none. */
export function editedBy(path: string): string | null | undefined {
  const id = /^\/environments\/([^/]+)$/.exec(path)?.[1];
  return id === undefined ? undefined : id === 'new' ? null : decodeURIComponent(id);
}

/** What is shown at a path, and its name in the top bar. The overview without an environment is the start screen. */
export function shownAt(path: string, hasEnvironment: boolean): { screen: Screen; title: string } {
  const edited = editedBy(path);
  if (edited !== undefined) return { screen: 'environment', title: edited === null ? 'Add environment' : 'Edit environment' };
  const route = routeOf(path);
  if (!route || (route.screen === 'overview' && !hasEnvironment)) return { screen: 'start', title: 'Start' };
  return { screen: route.screen, title: route.title };
}

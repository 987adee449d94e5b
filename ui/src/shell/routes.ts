// Which feature an address belongs to.
import { FEATURES } from '../features';
import type { Feature, Tab } from '../kit/feature';
import { paused } from '../kit/paused.svelte';

/** What the rail shows. */
export const RAIL = FEATURES.filter((f): f is Feature & { rail: NonNullable<Feature['rail']> } => f.rail !== undefined);

paused.know(FEATURES.flatMap((f) => [f, ...(f.tabs ?? [])].filter((part) => part.lanes).map((part) => part.path)));

/** The feature that a path belongs to: itself, or what it lies under. */
export function featureAt(path: string): Feature | undefined {
  return FEATURES.find((f) => path === f.path || path.startsWith(`${f.path}/`));
}

/** The part of a feature that a path belongs to: of those that it lies under, the nearest. Absent where it has none. */
export function tabAt(feature: Feature, path: string): Tab | undefined {
  const under = (feature.tabs ?? []).filter((tab) => path === tab.path || path.startsWith(`${tab.path}/`));
  return under.reduce<Tab | undefined>((near, tab) => (near && near.path.length > tab.path.length ? near : tab), undefined);
}

const START = featureAt('/start')!;

/** What is shown at an address that names no screen. */
const LOST: Feature = { path: '/lost', title: 'No such screen', fresh: true, load: () => import('./Lost.svelte') };

/** What is shown at a path, and its name in the top bar. The overview without an environment is the start screen. */
export function shownAt(path: string, hasEnvironment: boolean): { feature: Feature; title: string } {
  const found = featureAt(path);
  const known = found !== undefined && found.knows?.(path) !== false;
  const feature = !known ? LOST : found.path === '/overview' && !hasEnvironment ? START : found;
  return { feature, title: feature.titleAt?.(path) ?? feature.title };
}

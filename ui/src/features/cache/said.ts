// What the parts of the Cache screen share: whether there is a cache to ask, and what is not known of it.
import type { CacheUnknown } from '../../backend/types';
import type { ScreenApp } from '../../kit/screen';
import { hasTarget } from '../../lanes/there';

export type { Said } from '../../kit/said';

/** Whether the environment has a cache, by its addresses or because one was found. */
export const hasCache = (app: Pick<ScreenApp, 'environment' | 'targets'>): boolean => hasTarget(app, 'cache');

/** Parts that are not known, each once, with all that is said of them: what may be mended first. */
export function unknownParts(unknown: readonly CacheUnknown[]): CacheUnknown[] {
  const once = unknown.filter((u, i) => unknown.findIndex((o) => o.part === u.part && o.reason === u.reason) === i);
  const rank = (u: CacheUnknown): number => (u.grant !== null ? 0 : u.fix !== null ? 1 : 2);
  return [...once].sort((a, b) => rank(a) - rank(b));
}

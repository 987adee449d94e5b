// Where what a finding leads to is shown, and where the finding itself is.
import type { Finding, FindingTarget, TargetRole } from '../backend/types';
import { pathOf } from './address';

/** The route of what a finding's button opens. */
export function routeOf(opens: FindingTarget): string {
  switch (opens.what) {
    case 'overview':
      return '/overview';
    case 'environment':
      return '/environments';
    case 'database':
      return '/database';
    case 'cache':
      return '/cache';
    case 'gateway':
      return '/gateway';
    case 'settings':
      return '/settings';
    case 'change':
      return `/changes?plan=${encodeURIComponent(opens.kind)}&object=${encodeURIComponent(opens.object)}`;
  }
}

/** The screen of a target; what has none of its own is on the overview. */
const SCREENS: Readonly<Partial<Record<TargetRole, string>>> = { database: '/database', cache: '/cache' };

/** The path of the screen that lists a finding. One that a change would mend is listed with what it is about. */
export const placeOf = (finding: Pick<Finding, 'action' | 'target'>): string =>
  finding.action.opens.what === 'change' ? (SCREENS[finding.target] ?? '/overview') : pathOf(routeOf(finding.action.opens));

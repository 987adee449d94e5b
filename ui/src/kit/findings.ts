// Where what a finding leads to is shown.
import type { FindingTarget } from '../backend/types';

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
      // Until changes have a screen of their own, it is found on the one of what it alters.
      return '/database';
  }
}

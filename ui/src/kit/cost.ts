// The address at which what a request costs is measured: what is known of the request is in it.
import type { Finding, RequestCost } from '../backend/types';

/** A route of the API by its path, a request by its address, or what a run sent. */
export type Costed = { path: string; method?: string } | { url: string; method?: string } | { run: string };

export const COST_WORDS = 'What does it cost?';

/** What a cost is called. */
export const costName = (cost: Pick<RequestCost, 'name'>): string => `Cost of ${cost.name}`;

/** The path of the form that is filled in with it. */
export const costPath = (of?: Costed): string =>
  `/benchmarks/cost/new${of ? `?${new URLSearchParams(Object.entries(of)).toString()}` : ''}`;

/** Where what a request cost is shown. */
export const costRoute = (id: string): string => `/benchmarks/cost/${encodeURIComponent(id)}`;

/** The route that a finding is about, as the form asks for it; null where it is about none. */
export function costedOf(finding: Pick<Finding, 'action' | 'proof'>): Costed | null {
  const opens = [finding.action, ...finding.proof.steps].map((step) => step.opens).find((to) => to.what === 'route');
  if (opens?.what !== 'route') return null;
  return { path: opens.path, ...(opens.method === 'GET' ? {} : { method: opens.method }) };
}

// The overview: the live lanes of an environment, findings on top.
import { app } from '../../kit/app.svelte';
import type { Feature } from '../../kit/feature';
import { placeOf } from '../../kit/findings';

export const feature: Feature = {
  path: '/overview',
  title: 'Overview',
  lanes: true,
  rail: { icon: 'pulse', key: 'o' },
  finds: () => () =>
    (app.findings ?? []).map((finding) => ({
      id: `finding ${finding.id}`,
      group: 'Findings',
      name: finding.title.replaceAll('`', ''),
      hint: finding.target,
      also: finding.evidence,
      run: () => app.go(`${placeOf(finding)}?finding=${encodeURIComponent(finding.id)}`),
    })),
  load: () => import('./index.svelte'),
};

// Metrics: what Perfdeck can measure, and what of it this environment has.
import type { Feature } from '../../kit/feature';
import { app } from '../../kit/app.svelte';

export const feature: Feature = {
  path: '/metrics',
  title: 'Metrics',
  commands: () => [{ name: 'Show all metrics, with their units and sources', hint: 'what is measured', run: () => app.go('/metrics') }],
  load: () => import('./index.svelte'),
};

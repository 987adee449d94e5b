// Benchmarks: runs, comparisons, knees and plans.
import { app } from '../../kit/app.svelte';
import { withModifier } from '../../kit/keys';
import type { Feature } from '../../kit/feature';

export const feature: Feature = {
  path: '/benchmarks',
  title: 'Benchmarks',
  rail: { icon: 'curve', key: 'b', line: true },
  jobs: ['bench'],
  shortcuts: [
    [['R'], 'Run the shown run again'],
    [[withModifier('S')], 'Save the plan'],
    [[withModifier('Enter')], 'Run the plan'],
  ],
  commands: () => [
    ...(app.current ? [{ name: 'Start a benchmark', hint: '', run: () => app.go('/benchmarks') }] : []),
    { name: 'Open the plans of benchmarks', hint: '', run: () => app.go('/benchmarks/plans') },
  ],
  load: () => import('./index.svelte'),
};

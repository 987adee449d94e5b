// Benchmarks: runs, comparisons, knees and plans.
import { app } from '../../kit/app.svelte';
import { COST_WORDS, costPath } from '../../kit/cost';
import { withModifier } from '../../kit/keys';
import type { Feature } from '../../kit/feature';
import { finds } from './finds';
import { pathTo } from './routes';

/** A benchmark of each target that the environment has. */
function benchmarks(): { name: string; hint: string; run: () => void }[] {
  const roles = app.current?.targets.map(([role]) => role) ?? [];
  const of = {
    api: ['Benchmark the API', 'http'],
    database: ['Benchmark a SQL statement', 'sql'],
    cache: ['Benchmark the cache', 'cache'],
  } as const;
  return (['api', 'database', 'cache'] as const)
    .filter((role) => roles.includes(role))
    .map((role) => ({ name: of[role][0], hint: '', run: () => app.go(`/benchmarks/new?kind=${of[role][1]}`) }));
}

/** Whether a request of the environment has something that counts statements behind it. */
const costs = (): boolean => app.current?.targets.some(([role]) => role === 'database') === true;

export const feature: Feature = {
  path: '/benchmarks',
  title: 'Benchmarks',
  rail: { icon: 'curve', key: 'b', line: true },
  jobs: ['bench', 'cost'],
  ended: (screen, job) => import('./ended').then((m) => m.ended(screen, job)),
  shortcuts: [
    [['R'], 'Run the shown run again'],
    [[withModifier('S')], 'Save the plan'],
    [[withModifier('Enter')], 'Run the plan'],
  ],
  commands: () => [
    ...(app.current ? [{ name: 'Start a benchmark', hint: '', also: 'new run', run: () => app.go('/benchmarks/new') }] : []),
    ...benchmarks(),
    ...(costs()
      ? [{ name: `${COST_WORDS} Measure one request`, hint: '', also: 'cost of a route n+1', run: () => app.go(costPath()) }]
      : []),
    ...app.jobs
      .filter((job) => job.kind === 'cost' && job.state === 'running')
      .map((job) => ({ name: 'Show the cost that is measured', hint: 'live', run: () => app.go(pathTo(`cost/job/${job.id}`)) })),
    ...(app.jobs.some((job) => job.kind === 'bench' && job.state === 'running')
      ? [{ name: 'Show the running benchmark', hint: 'live', run: () => app.go('/benchmarks/live') }]
      : []),
    { name: 'Open the plans of benchmarks', hint: '', run: () => app.go('/benchmarks/plans') },
  ],
  finds,
  load: () => import('./index.svelte'),
};

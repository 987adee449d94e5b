// What the palette finds of the benchmarks: runs, comparisons, searches, plans, and the routes that were measured.
import { benchmarkPath } from '../../kit/benchmark';
import { COST_WORDS, costName, costPath, costRoute } from '../../kit/cost';
import { kneeName } from '../../kit/folds';
import type { Command } from '../../kit/feature';
import { resource } from '../../kit/resource.svelte';
import type { ScreenApp } from '../../kit/screen';
import { ago } from '../../kit/format';
import { now } from '../../kit/time.svelte';
import { MASK } from './form/http';
import { pathTo } from './routes';
import type { RunSummary } from '../../backend/types';

/** Routes of an HTTP API: what was requested of it, each once. */
export function routesOf(runs: readonly Pick<RunSummary, 'request'>[], apiUrl: string | null): { method: string; path: string }[] {
  const found = new Map<string, { method: string; path: string }>();
  const add = (method: string, url: string): void => {
    // What was masked cannot be asked for again.
    if (url.includes(MASK)) return;
    const at = /^https?:\/\/[^/?#]+([^#]*)$/i.exec(url);
    if (!at) return;
    const path = at[1]?.startsWith('/') ? at[1] : `/${at[1] ?? ''}`;
    found.set(`${method} ${path}`, { method, path });
  };
  if (apiUrl !== null) add('GET', apiUrl);
  for (const { request } of runs) {
    const [, method, url] = /^([A-Z]+) (\S+)$/.exec(request) ?? [];
    if (method && url) add(method, url);
  }
  return [...found.values()];
}

export function finds(app: ScreenApp): () => Command[] {
  const where = () => ({ environment_id: app.environment?.id ?? null });
  const runs = resource(app, 'run.list', where);
  const comparisons = resource(app, 'comparison.list', where);
  const knees = resource(app, 'knee.list', where);
  const costs = resource(app, 'cost.list', where);
  const plans = resource(app, 'plan.list', () => ({}));
  return () => [
    ...(runs.value ?? []).map((run): Command => ({
      id: `run ${run.id}`,
      group: 'Runs',
      name: run.name,
      hint: ago(run.started_ms, now.read()),
      also: run.request,
      run: () => app.go(pathTo(run.id)),
    })),
    ...(comparisons.value ?? []).map((c): Command => ({
      id: `comparison ${c.id}`,
      group: 'Comparisons and knees',
      name: c.name,
      hint: ago(c.created_ms, now.read()),
      also: c.sentence,
      run: () => app.go(pathTo(`comparison/${c.id}`)),
    })),
    ...(knees.value ?? []).map((k): Command => ({
      id: `knee ${k.id}`,
      group: 'Comparisons and knees',
      name: kneeName(k),
      hint: ago(k.created_ms, now.read()),
      also: k.sentence,
      run: () => app.go(pathTo(`knee/${k.id}`)),
    })),
    ...(costs.value ?? []).map((cost): Command => ({
      id: `cost ${cost.id}`,
      group: 'Runs',
      name: costName(cost),
      hint: ago(cost.created_ms, now.read()),
      also: cost.sentence,
      run: () => app.go(costRoute(cost.id)),
    })),
    ...(plans.value ?? []).map((plan): Command => ({
      id: `plan ${plan.id}`,
      group: 'Plans',
      name: plan.name,
      hint: ago(plan.updated_ms, now.read()),
      also: 'plan',
      run: () => app.go(pathTo(`plans/${plan.id}`)),
    })),
    ...routesOf(runs.value ?? [], app.environment?.apiUrl ?? null).map(({ method, path }): Command => ({
      id: `route ${method} ${path}`,
      group: 'Routes',
      name: `Benchmark ${method} ${path}`,
      hint: 'route',
      run: () => app.go(benchmarkPath({ kind: 'http', method, path })),
    })),
    ...(app.environment?.roles.includes('database') ? routesOf(runs.value ?? [], app.environment.apiUrl) : []).map(
      ({ method, path }): Command => ({
        id: `cost of ${method} ${path}`,
        group: 'Routes',
        name: `${COST_WORDS} ${method} ${path}`,
        hint: 'route',
        run: () => app.go(costPath({ method, path })),
      }),
    ),
  ];
}

// Every command of the palette.
import { rpc } from '../backend';
import { app } from './app.svelte';
import { choose, duplicate, remove } from './environments';
import { preferences, type Density, type Theme } from './preferences.svelte';
import { ROUTES } from './routes';

export interface Command {
  /** Unique; what is searched. */
  name: string;
  hint: string;
  run: () => void;
}

const THEMES: readonly [Theme, string][] = [
  ['light', 'light'],
  ['dark', 'dark'],
  ['contrast', 'high contrast'],
  ['system', 'system'],
];
const DENSITIES: readonly [Density, string][] = [
  ['normal', 'normal'],
  ['compact', 'compact'],
];

/** The commands that make sense now; read inside a derived value. */
export function commands(shortcuts: () => void): Command[] {
  const all: Command[] = [];
  const add = (name: string, hint: string, run: () => void): void => void all.push({ name, hint, run });
  for (const r of ROUTES) add(`Go to ${r.title.toLowerCase()}`, `g ${r.key}`, () => app.go(r.path));
  add('Go to the start screen', '', () => app.go('/start'));
  for (const e of app.environments) add(`Open environment ${e.name}`, e.demo ? 'built in' : e.kind, () => choose(e.id, e.demo));
  add('Add environment', '', () => app.go('/environments/new'));
  for (const e of app.environments.filter((x) => !x.demo)) {
    add(`Edit environment ${e.name}`, '', () => app.go(`/environments/${e.id}`));
    add(`Duplicate environment ${e.name}`, '', () => void duplicate(e.id));
    add(`Delete environment ${e.name}`, 'can be undone', () => void remove(e.id, e.name));
  }
  for (const j of app.jobs.filter((x) => x.state === 'running' && x.cancellable)) {
    add(`Stop ${j.title}`, '', () => void rpc('job.cancel', { id: j.id }).catch(() => undefined));
  }
  if (app.current) add('Start a benchmark', '', () => app.go('/benchmarks'));
  add('Open the plans of benchmarks', '', () => app.go('/benchmarks/plans'));
  add('Open the journal', 'what was done', () => app.go('/settings?journal'));
  for (const [theme, word] of THEMES)
    add(`Use the ${word} theme`, preferences.theme === theme ? 'in use' : '', () => preferences.setTheme(theme));
  for (const [density, word] of DENSITIES)
    add(`Use ${word} density`, preferences.density === density ? 'in use' : '', () => preferences.setDensity(density));
  add('Show shortcuts', '?', shortcuts);
  return all;
}

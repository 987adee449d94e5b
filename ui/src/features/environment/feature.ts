// Environments: made, edited, copied and deleted.
import type { EnvironmentSummary } from '../../backend/types';
import { app } from '../../kit/app.svelte';
import { choose, duplicate, remove } from '../../kit/environments';
import type { Command } from '../../kit/feature';
import { byRecent } from '../../kit/recent.svelte';
import { copiedBy, editedBy } from './routes';
import type { Feature } from '../../kit/feature';

/** What is done to one environment. */
function of({ id, name, kind, read_only }: EnvironmentSummary): Command[] {
  const one = { group: 'Environments', of: name } as const;
  const way = kind === 'production' || read_only ? 'its name is typed' : 'can be undone';
  return [
    { ...one, id: `edit ${id}`, name: `Edit environment ${name}`, hint: '', run: () => app.go(`/environments/${encodeURIComponent(id)}`) },
    { ...one, id: `duplicate ${id}`, name: `Duplicate environment ${name}`, hint: '', run: () => duplicate(id) },
    { ...one, id: `delete ${id}`, name: `Delete environment ${name}`, hint: way, run: () => void remove(id) },
  ];
}

export const feature: Feature = {
  path: '/environments',
  title: 'Environment',
  titleAt: (path) => (copiedBy(path) !== null ? 'Duplicate environment' : editedBy(path) === null ? 'Add environment' : 'Edit environment'),
  about: (path) => editedBy(path) ?? copiedBy(path),
  knows: (path) => editedBy(path) !== undefined,
  fresh: true,
  commands: () => [
    ...byRecent(app.environments).map((e): Command => ({
      id: `open ${e.id}`,
      of: e.name,
      name: `Open environment ${e.name}`,
      hint: e.demo ? 'built in' : e.kind,
      group: 'Environments',
      also: e.targets.map(([, address]) => address).join(' '),
      run: () => choose(e.id, e.demo),
    })),
    { name: 'Add environment', hint: '', run: () => app.go('/environments/new') },
    ...byRecent(app.environments)
      .filter((e) => !e.demo)
      .flatMap(of),
  ],
  load: () => import('./index.svelte'),
};

// Environments: made, edited, copied and deleted.
import { app } from '../../kit/app.svelte';
import { choose, duplicate, remove } from '../../kit/environments';
import type { Command } from '../../kit/feature';
import { byRecent } from '../../kit/recent.svelte';
import { copiedBy, editedBy } from './routes';
import type { Feature } from '../../kit/feature';

const of = (id: string, name: string): Command[] => [
  { name: `Edit environment ${name}`, hint: '', group: 'Environments', run: () => app.go(`/environments/${id}`) },
  { name: `Duplicate environment ${name}`, hint: '', group: 'Environments', run: () => duplicate(id) },
  { name: `Delete environment ${name}`, hint: 'can be undone', group: 'Environments', run: () => void remove(id, name) },
];

export const feature: Feature = {
  path: '/environments',
  title: 'Environment',
  titleAt: (path) => (copiedBy(path) !== null ? 'Duplicate environment' : editedBy(path) === null ? 'Add environment' : 'Edit environment'),
  fresh: true,
  commands: () => [
    ...byRecent(app.environments).map((e): Command => ({
      name: `Open environment ${e.name}`,
      hint: e.demo ? 'built in' : e.kind,
      group: 'Environments',
      also: e.targets.map(([, address]) => address).join(' '),
      run: () => choose(e.id, e.demo),
    })),
    { name: 'Add environment', hint: '', run: () => app.go('/environments/new') },
    ...byRecent(app.environments)
      .filter((e) => !e.demo)
      .flatMap((e) => of(e.id, e.name)),
  ],
  load: () => import('./index.svelte'),
};

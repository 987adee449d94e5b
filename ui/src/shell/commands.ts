// Every command of the palette: the ways to the screens, then what each feature and the running jobs add.
import { rpc } from '../backend';
import { FEATURES } from '../features';
import { app } from '../kit/app.svelte';
import type { Command } from '../kit/feature';
import { RAIL } from './routes';

/** The commands that make sense now; read inside a derived value. */
export function commands(shortcuts: () => void): Command[] {
  return [
    ...RAIL.map((f) => ({ name: `Go to ${f.title.toLowerCase()}`, hint: `g ${f.rail.key}`, run: () => app.go(f.path) })),
    ...app.jobs
      .filter((job) => job.state === 'running' && job.cancellable)
      .map((job) => ({
        name: `Stop ${job.title}`,
        hint: '',
        run: () => void rpc('job.cancel', { id: job.id }).catch(() => undefined),
      })),
    ...FEATURES.flatMap((f) => f.commands?.() ?? []),
    { name: 'Show shortcuts', hint: '?', run: shortcuts },
  ];
}

// What a plan is started for, and the command that starts it.
import { blankKnee, parseKnee, type KneeForm } from '../knee/form';
import { pairsFault, type Mode } from '../question';
import { namesIn } from '../words';

export interface Place {
  id: string;
  name: string;
}

export class Asking {
  mode = $state<Mode>('run');
  /** Identifier of B's environment; empty until it is chosen. */
  other = $state('');
  noise = $state(false);
  pairs = $state('10');
  knee: KneeForm = $state(blankKnee());

  readonly question = $derived(parseKnee(this.knee));
  readonly fault = $derived(this.mode === 'duet' ? pairsFault(this.pairs) : '');
  /** Whether a second environment takes part. */
  readonly apart = $derived(this.mode === 'duet' && !this.noise);
  readonly ready = $derived(
    this.mode === 'run' || (this.mode === 'knee' ? this.question.asked !== null : this.fault === '' && (this.noise || this.other !== '')),
  );

  /** Name and parameters of the command that starts a plan's text; `typed` is what a guard asked for. */
  command(toml: string, here: Place | null, places: readonly Place[], typed: string | null): [string, Record<string, unknown>] {
    const spec = { kind: 'plan', toml, threads: null };
    const id = here?.id ?? null;
    if (this.mode === 'knee') return ['knee.start', { spec, environment_id: id, ...this.question.asked, confirm: typed }];
    if (this.mode === 'run') return ['bench.start', { spec, environment_id: id, name: null, confirm: typed }];
    const side = (id: string | null): Record<string, unknown> => ({
      label: places.find((p) => p.id === id)?.name ?? 'no environment',
      environment_id: id,
      spec,
    });
    const b = this.noise ? id : this.other;
    const asked = {
      a: side(id),
      b: side(b),
      pairs: Number(this.pairs),
      seed: null,
      rest_s: 1,
      name: null,
      noise: this.noise,
      changed: [],
      metrics: [],
    };
    return ['duet.start', { ...asked, confirm: namesIn(typed) }];
  }
}

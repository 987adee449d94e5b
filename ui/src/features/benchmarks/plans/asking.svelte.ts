// What a plan is started for, and how it is started.
import type { BenchSpec, DuetSide, JobStatus } from '../../../backend/types';
import type { Client } from '../../../kit/client';
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

  /** Starts a plan's text; `typed` is what a guard asked for. */
  start(client: Client, toml: string, here: Place | null, places: readonly Place[], typed: string | null): Promise<JobStatus> {
    const spec: BenchSpec = { kind: 'plan', toml, threads: null };
    const id = here?.id ?? null;
    const { asked: knee } = this.question;
    if (this.mode === 'knee') {
      if (knee === null) return Promise.reject({ message: 'The search is not complete', hint: 'Mend the marked fields' });
      return client.rpc('knee.start', { spec, environment_id: id, ...knee, confirm: typed });
    }
    if (this.mode !== 'duet') return client.rpc('bench.start', { spec, environment_id: id, name: null, confirm: typed });
    const side = (id: string | null): DuetSide => ({
      label: places.find((p) => p.id === id)?.name ?? 'no environment',
      environment_id: id,
      spec,
    });
    const b = this.noise ? id : this.other;
    return client.rpc('duet.start', {
      a: side(id),
      b: side(b),
      pairs: Number(this.pairs),
      seed: null,
      rest_s: 1,
      name: null,
      noise: this.noise,
      changed: [],
      metrics: [],
      confirm: namesIn(typed),
    });
  }
}

// What a benchmark is started for, and how it is started.
import type { BenchSpec, DuetRequest, DuetSide, JobStatus } from '../../../backend/types';
import type { Client } from '../../../kit/client';
import { blankKnee, parseKnee, type KneeForm } from '../knee/form';
import { namesIn } from '../words';
import { pairsFault, type Mode } from './question';

export interface Place {
  id: string;
  name: string;
}

/** One side of it, or all of it. */
export interface Asked {
  spec: BenchSpec;
  environment: Place | null;
}

/** Rest between two runs of a duet, in seconds. */
export const REST_S = 1;

/** Two sides by what tells them apart: their environments, or else their addresses. */
function sides(a: Asked, b: Asked): [DuetSide, DuetSide] {
  const apart = a.environment?.id !== b.environment?.id;
  const label = ({ spec, environment }: Asked): string =>
    !apart && spec.kind === 'http' ? spec.url : (environment?.name ?? 'no environment');
  const side = (of: Asked): DuetSide => ({ label: label(of), environment_id: of.environment?.id ?? null, spec: of.spec });
  return [side(a), side(b)];
}

/** The part that a refusal says may be named as the change; null where it names none. */
export const nameable = (refused: string | null): string | null => /name it: (\S+)$/.exec(refused ?? '')?.[1] ?? null;

/** The fields of a question. */
export interface AskingForm {
  mode: Mode;
  other: string;
  noise: boolean;
  pairs: string;
  changed: readonly string[];
  knee: KneeForm;
}

export class Asking {
  mode = $state<Mode>('run');
  /** Identifier of B's environment; empty until it is chosen. */
  other = $state('');
  noise = $state(false);
  pairs = $state('10');
  /** Parts that both sides of a duet may differ in, because they are the change. */
  changed = $state.raw<readonly string[]>([]);
  knee: KneeForm = $state(blankKnee());

  readonly question = $derived(parseKnee(this.knee));
  readonly fault = $derived(this.mode === 'duet' ? pairsFault(this.pairs) : '');
  /** Whether a second side takes part. */
  readonly apart = $derived(this.mode === 'duet' && !this.noise);

  get form(): AskingForm {
    const { mode, other, noise, pairs, changed } = this;
    return { mode, other, noise, pairs, changed, knee: $state.snapshot(this.knee) };
  }
  set form(form: AskingForm) {
    Object.assign(this, form);
  }

  /** Whether all is there that the question needs; `b` says whether there is a second side. */
  complete(b: boolean): boolean {
    if (this.mode === 'run') return true;
    return this.mode === 'knee' ? this.question.asked !== null : this.fault === '' && (this.noise || b);
  }

  duet(a: Asked, b: Asked, name: string | null, typed: string | null): DuetRequest {
    const [left, right] = sides(a, b);
    return {
      a: left,
      b: right,
      pairs: Number(this.pairs),
      seed: null,
      rest_s: REST_S,
      name,
      noise: this.noise,
      changed: this.noise ? [] : [...this.changed],
      metrics: [],
      confirm: namesIn(typed),
    };
  }

  /** Starts it; `b` is the second side of a duet, `typed` what a guard asked for. */
  start(client: Client, a: Asked, b: Asked | null, name: string | null, typed: string | null): Promise<JobStatus> {
    const id = a.environment?.id ?? null;
    const { asked: knee } = this.question;
    switch (this.mode) {
      case 'run':
        return client.rpc('bench.start', { spec: a.spec, environment_id: id, name, confirm: typed });
      case 'knee':
        if (knee === null) return Promise.reject({ message: 'The search is not complete', hint: 'Mend the marked fields' });
        return client.rpc('knee.start', { spec: a.spec, environment_id: id, ...knee, confirm: typed });
      case 'duet':
        return client.rpc('duet.start', this.duet(a, this.noise || b === null ? a : b, name, typed));
    }
  }
}

// The samples of the chosen environment for a screen with lanes: its history, then the stream, and why it is missing.
import { onMount, untrack } from 'svelte';
import type { ScreenApp } from '../kit/screen';
import { problem, type ApiProblem } from '../kit/client';
import type { ChartGroup } from '../charts/group';
import { LiveData, wholeSecond } from '../charts/live';
import { now } from '../kit/time.svelte';

export interface Samples {
  /** The data; null without an environment. */
  readonly live: LiveData | null;
  /** Counts up when a series is new, and when it is settled; what depends on which series exist reads it. */
  readonly known: number;
  /** Whether a series exists. */
  has(id: string): boolean;
  /** Whether a series has had the samples that rates need. */
  settled(id: string): boolean;
  /** Why the history could not be read. */
  readonly failure: ApiProblem | null;
}

/** Samples after which a series has had its first rate. */
const SETTLED = 3;

/**
 * Keeps a group's time by the engine's clock while the component lives: a silent engine does not stop it, so that what is
 * missing is seen to grow. `set` is called when the clock was set.
 */
export function followTime(app: Pick<ScreenApp, 'heard'>, group: ChartGroup, set: () => void = () => undefined): void {
  $effect(() => {
    const { heard } = app;
    untrack(() => group.setHeard(heard));
    if (!heard) return now.use();
  });
  $effect(() => {
    const { ms } = now;
    if (!app.heard) untrack(() => group.advance(wholeSecond(ms)));
  });
  let seen = untrack(() => now.set);
  $effect(() => {
    if (now.set === seen) return;
    seen = now.set;
    untrack(set);
  });
}

/** Watches the environment while the component lives; to be called while it is made. `sampled` runs once, with the first sample. */
export function watchSamples(app: ScreenApp, group: ChartGroup, sampled: () => void = () => undefined): Samples {
  let live = $state.raw<LiveData | null>(null);
  let known = $state(0);
  let failure = $state.raw<ApiProblem | null>(null);
  let first = true;
  const id = $derived(app.environment?.id ?? null);

  $effect(() => {
    const environment = id;
    if (environment === null) return;
    return untrack(() => {
      const made = new LiveData(group, (from, to, width) =>
        app.columns('monitor.history', { environment_id: environment, from_ms: from, to_ms: to, width_px: width, series: null }),
      );
      live = made;
      made.load(true);
      return () => made.close();
    });
  });

  followTime(app, group, () => live?.restart(wholeSecond(now.read())));

  /** Series that were known when the lanes were last made, and the samples since then. */
  let [seen, since] = [-1, 0];
  function read(): void {
    if (!live) return;
    const { known: ids, data } = live;
    if (ids !== seen) {
      [seen, since] = [ids, data.t.length];
      known += 1;
    } else if (since >= 0 && data.t.length - since >= SETTLED) {
      // Once more: what has not come beside the new ones by now is not reported.
      since = -1;
      known += 1;
    }
    const why = live.error ? problem(live.error) : null;
    if (why?.message !== failure?.message) failure = why;
  }
  onMount(() => {
    const offFrame = app.onFrame((frame) => {
      if (live?.push(frame) && first) {
        first = false;
        sampled();
      }
      read();
    });
    const offGroup = group.on(read);
    return () => {
      offFrame();
      offGroup();
    };
  });

  return {
    get live() {
      return live;
    },
    get known() {
      return known;
    },
    get failure() {
      return failure;
    },
    has: (id) => live?.data.column(id) !== undefined,
    settled: (id) => live?.data.filled(id, SETTLED) ?? false,
  };
}

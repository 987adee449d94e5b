// The samples of the chosen environment for a screen with lanes: its history, then the stream, and why it is missing.
import { onMount, untrack } from 'svelte';
import type { ScreenApp } from '../kit/screen';
import { problem, type ApiProblem } from '../kit/client';
import type { ChartGroup } from '../charts/group';
import { LiveData } from '../charts/live';

export interface Samples {
  /** The data; null without an environment. */
  readonly live: LiveData | null;
  /** Counts up when a series is new; what depends on which series exist reads it. */
  readonly known: number;
  /** Why the history could not be read. */
  readonly failure: ApiProblem | null;
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

  function read(): void {
    if (!live) return;
    if (live.known !== known) known = live.known;
    const now = live.error ? problem(live.error) : null;
    if (now?.message !== failure?.message) failure = now;
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
  };
}

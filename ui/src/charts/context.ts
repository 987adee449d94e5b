// What a lane gets from the stack of lanes around it.
import { getContext, setContext } from 'svelte';
import type { ChartGroup } from './group';

export interface LaneHost {
  group: ChartGroup;
  /** Registers a lane: `draw` is called with what changed while `element` is on screen. Returns how to leave. */
  join(element: Element, draw: (what: number) => void): () => void;
}

const KEY = Symbol('lanes');

export const provideLanes = (host: LaneHost): LaneHost => setContext(KEY, host);
export const useLanes = (): LaneHost => getContext<LaneHost>(KEY);

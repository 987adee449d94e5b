// What a screen with charts needs from the app around it, and where it gets it.
import { getContext, setContext } from 'svelte';
import type { Client } from './client';
import type { Finding, Frame, TargetStatus } from '../backend/types';

export interface ScreenEnvironment {
  id: string;
  name: string;
  kind: string;
  /** Base URL and probe path of the API target, if it has one. */
  apiUrl: string | null;
  /** Configured targets. */
  roles: string[];
}

/** Getters are reactive. */
export interface ScreenApp extends Client {
  readonly environment: ScreenEnvironment | null;
  readonly environments: readonly ScreenEnvironment[];
  readonly targets: readonly TargetStatus[];
  /** Findings, or null before they are known. */
  readonly findings: readonly Finding[] | null;
  /** Whether the engine is heard; while it is not, nothing that is shown is of now. */
  readonly heard: boolean;
  /** The address of what is shown, such as `/benchmarks/new`. */
  readonly path: string;
  /** A parameter of the address; null where it has none. */
  param(name: string): string | null;
  /** Changes parameters of the address without a step in the history; null takes one away. */
  setParams(params: Readonly<Record<string, string | null>>): void;
  onFrame(listener: (frame: Frame) => void): () => void;
  go(path: string): void;
  /** Shows the same path under the environment that what it shows belongs to, where that is here. No step in the history. */
  within(environmentId: string | null): void;
  /** Opens a written report in the system's viewer, or shows it chosen in its folder; absent in a browser. */
  openReport?: (id: string, folder: boolean) => Promise<void>;
}

const KEY = Symbol('screen-app');
export const provideApp = (app: ScreenApp): ScreenApp => setContext(KEY, app);
/** The app as a component's context, for components that are made outside of the shell. */
export const asContext = (app: ScreenApp): Map<symbol, ScreenApp> => new Map([[KEY, app]]);
export const useApp = (): ScreenApp => getContext<ScreenApp>(KEY);

/** Moves an element into the frame's top bar while it lives; without one it stays where it is. */
export function toTopbar(node: HTMLElement): { destroy(): void } {
  const bar = document.querySelector('[data-topbar]');
  if (bar) {
    bar.append(node);
    node.dataset['moved'] = 'true';
  }
  return { destroy: () => node.remove() };
}

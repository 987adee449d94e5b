// The one door to the engine: Tauri's IPC in the window, HTTP in a browser. Nothing else knows which.
import type { Commands } from './gen/commands';
import type { Frame } from './types';
import type { OnState } from './silence';
import { decodeColumns, type Columns } from './columns';
import { narrowed } from './narrow';

export { toApiError } from './errors';

export interface Backend {
  readonly kind: 'desktop' | 'browser';
  /** Whether it may only look: what changes something or reaches a target is refused. */
  readonly looks: boolean;
  /** Answers JSON, or an ArrayBuffer for binary columns. Rejects with an ApiError. */
  call(name: string, params: unknown): Promise<unknown>;
  /** Frames until the returned function is called; reconnects by itself, and says when nothing comes. */
  watch(environmentId: string | null, onFrame: (frame: Frame) => void, onState: OnState): () => void;
  getPreference(key: string): Promise<unknown>;
  setPreference(key: string, value: unknown): Promise<void>;
  /** The methods below are there only where the face can do it; the browser hides what needs them. */
  /** Opens a written report in the system's viewer, or shows it chosen in its folder. */
  openReport?(id: string, folder: boolean): Promise<void>;
  /** Shows the folder of the local store. */
  openDataDir?(): Promise<void>;
  chooseFile?(title: string): Promise<string | null>;
  saveDialog?(title: string, name: string): Promise<string | null>;
}

function load(): Promise<Backend> {
  return '__TAURI_INTERNALS__' in window ? import('./tauri').then((m) => m.desktop()) : import('./http').then((m) => m.browser());
}
let loading: Promise<Backend> | null = null;

export const backend = (): Promise<Backend> => (loading ??= load());

/** Runs a command of the engine that answers JSON. */
export async function rpc<K extends keyof Commands>(name: K, params: Commands[K]['req']): Promise<Commands[K]['res']> {
  try {
    return narrowed((await (await backend()).call(name, params)) as Commands[K]['res']);
  } catch (error) {
    throw narrowed(error);
  }
}

/** Runs a command that answers binary columns. */
export async function columns<K extends keyof Commands>(name: K, params: Commands[K]['req']): Promise<Columns> {
  return decodeColumns((await (await backend()).call(name, params)) as ArrayBuffer);
}

// The one door to the engine: Tauri's IPC in the window, HTTP in a browser. Nothing else knows which.
import type { Commands } from './gen/commands';
import type { ApiError, Frame } from './types';
import { decodeColumns, type Columns } from './columns';

export interface Backend {
  readonly kind: 'desktop' | 'browser';
  /** Answers JSON, or an ArrayBuffer for binary columns. Rejects with an ApiError. */
  call(name: string, params: unknown): Promise<unknown>;
  /** Frames until the returned function is called; reconnects by itself. */
  watch(environmentId: string | null, onFrame: (frame: Frame) => void, onState: (error: ApiError | null) => void): () => void;
  getPreference(key: string): Promise<unknown>;
  setPreference(key: string, value: unknown): Promise<void>;
  openPath?(path: string): Promise<void>;
  chooseFile?(title: string): Promise<string | null>;
}

const inDesktop = '__TAURI_INTERNALS__' in window;
const loading: Promise<Backend> = inDesktop
  ? import('./tauri').then((m) => m.desktop())
  : import('./http').then((m) => m.browser());

export const backend = (): Promise<Backend> => loading;

/** Any thrown value as an ApiError. */
export function toApiError(error: unknown): ApiError {
  if (typeof error === 'object' && error !== null && 'code' in error && 'message' in error) return error as ApiError;
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message, hint: null, retryable: false };
}

/** Runs a command of the registry. */
export async function rpc<K extends keyof Commands>(name: K, params: Commands[K]['req']): Promise<Commands[K]['res']> {
  return (await (await loading).call(name, params)) as Commands[K]['res'];
}

/** Runs a command whose name is not known to the type checker. */
export async function rpcAny<T>(name: string, params: unknown): Promise<T> {
  return (await (await loading).call(name, params)) as T;
}

/** Runs a command that answers binary columns. */
export async function columns(name: string, params: unknown): Promise<Columns> {
  return decodeColumns((await (await loading).call(name, params)) as ArrayBuffer);
}

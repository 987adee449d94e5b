// The door to the engine for tests of what uses the window's own state: typed handlers, preferences in memory, frames by hand.
// A test file puts it in place: `vi.mock('../backend', async () => (await import('../testing/backend')).door)`.
import type { Backend } from '../backend';
import { toApiError } from '../backend/errors';
import type { Commands } from '../backend/gen/commands';
import type { Frame } from '../backend/frames';
import type { OnState } from '../backend/silence';
import type { ApiError } from '../backend/types';
import type { Answering } from '../kit/client';
import { frame, type FrameOf } from './frames';

type Handlers = { [K in Answering]?: (request: Commands[K]['req']) => Commands[K]['res'] | Promise<Commands[K]['res']> };
type Watcher = { id: string | null; onFrame: (frame: Frame) => void; onState: OnState };

export const engine = {
  handlers: {} as Handlers,
  /** Commands that were called, with what they were given. */
  calls: [] as [name: string, request: unknown][],
  preferences: new Map<string, unknown>(),
  /** What only the desktop can do. */
  face: {} as Partial<Backend>,
  watcher: null as Watcher | null,
  /** Sends a frame to the window. */
  push: (of: FrameOf): void => engine.watcher?.onFrame(frame({ environment_id: engine.watcher.id, at_ms: Date.now(), ...of })),
  /** Begins anew, with these handlers. */
  reset(handlers: Handlers = {}): void {
    Object.assign(engine, { handlers, calls: [], preferences: new Map(), face: {}, watcher: null });
  },
  /** What a command was given, each time. */
  given: <K extends Answering>(name: K): Commands[K]['req'][] =>
    engine.calls.filter(([called]) => called === name).map(([, request]) => request as Commands[K]['req']),
};

async function call(name: string, request: unknown): Promise<unknown> {
  engine.calls.push([name, request]);
  const handler = engine.handlers[name as Answering] as ((request: unknown) => unknown) | undefined;
  if (!handler) throw { code: 'not_found', message: `There is no command '${name}'`, hint: null, retryable: false };
  return handler(request);
}

/** The module `src/backend`, in front of `engine`. */
export const door = {
  toApiError,
  rpc: call,
  columns: (): Promise<never> => Promise.reject(new Error('no columns here')),
  backend: async (): Promise<Backend> => ({
    kind: 'browser',
    looks: false,
    call,
    watch(id, onFrame, onState) {
      const mine: Watcher = { id, onFrame, onState };
      engine.watcher = mine;
      return () => {
        if (engine.watcher === mine) engine.watcher = null;
      };
    },
    getPreference: async (key) => engine.preferences.get(key),
    setPreference: async (key, value) => void engine.preferences.set(key, value),
    ...engine.face,
  }),
};

/** A refusal as the engine sends it. */
export const refusal = (message: string, hint: string | null = null): ApiError => ({
  code: 'bad_request',
  message,
  hint,
  retryable: false,
});

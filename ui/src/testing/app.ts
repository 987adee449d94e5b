// An engine for tests of components: typed handlers for the commands that a test needs, and a stream that is pushed by hand.
import type { Commands } from '../backend/gen/commands';
import type { Frame } from '../backend/types';
import type { Answering } from '../kit/client';
import { FakeAddress } from './address.svelte';
import { FakeHeard } from './heard.svelte';
import { frame, type FrameOf } from './frames';
import { asContext, type ScreenApp } from '../kit/screen';

type Handlers = { [K in Answering]?: (request: Commands[K]['req']) => Commands[K]['res'] | Promise<Commands[K]['res']> };

/** What the screen of benchmarks reads, where nothing has run yet. */
export const noRuns = {
  'run.list': () => [],
  'comparison.list': () => [],
  'knee.list': () => [],
  'cost.list': () => [],
  'baseline.list': () => [],
  'bench.running': () => null,
} satisfies Handlers;

export interface FakeApp {
  app: ScreenApp;
  /** What a component gets from the app around it. */
  context: Map<symbol, ScreenApp>;
  /** Names of the commands that were called, in order. */
  calls: string[];
  /** Where the window is. */
  address: FakeAddress;
  /** Says whether the engine is heard from now on. */
  hear: (heard: boolean) => void;
  /** Sends a frame to whoever listens. */
  push: (frame: FrameOf) => void;
}

/** A command without a handler fails as the engine fails what it does not know. */
export function fakeApp(handlers: Handlers, of: Partial<ScreenApp> = {}): FakeApp {
  const listeners = new Set<(frame: Frame) => void>();
  const calls: string[] = [];
  const heard = new FakeHeard();
  const address = new FakeAddress(of.path ?? '/benchmarks');
  const app: ScreenApp = {
    environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: 'http://127.0.0.1:1/', roles: ['api'] },
    environments: [],
    targets: [],
    findings: [],
    get heard() {
      return heard.now;
    },
    get path() {
      return address.path;
    },
    onFrame(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    param: address.param,
    setParams: address.setParams,
    go: address.go,
    within: () => undefined,
    async rpc(name, request) {
      calls.push(name);
      const handler = handlers[name];
      if (!handler) throw { code: 'not_found', message: `There is no command '${name}'`, hint: null, retryable: false };
      return handler(request);
    },
    columns: () => Promise.reject(new Error('no columns here')),
  };
  // Getters of `of` stay getters: what a test changes is seen.
  const given: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(of);
  delete given['path'];
  Object.defineProperties(app, given);
  return {
    app,
    context: asContext(app),
    calls,
    address,
    hear: (now) => (heard.now = now),
    push: (of) => listeners.forEach((l) => l(frame(of))),
  };
}

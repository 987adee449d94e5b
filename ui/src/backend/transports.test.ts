// Both transports listen through the one place that notices silence.
import { afterEach, expect, test, vi } from 'vitest';
import { browser } from './http';
import type { Backend } from './index';
import { desktop } from './tauri';
import type { WireFrame } from './types';

const FRAME: WireFrame = { seq: 1, kind: 'snapshot', environment_id: null, at_ms: 1, t: [], names: [], values: [], parts: [] };
/** Sends a frame through the transport that is open. */
let send: () => void = () => undefined;

vi.mock('@tauri-apps/api/core', () => ({
  Channel: class {
    onmessage: (frame: WireFrame) => void = () => undefined;
  },
  invoke: async (command: string, of?: { channel: { onmessage: (frame: WireFrame) => void } }) => {
    if (command === 'subscribe') send = () => of?.channel.onmessage(FRAME);
  },
}));
vi.mock('@tauri-apps/plugin-store', () => ({ load: async () => ({}) }));
vi.mock('@tauri-apps/plugin-dialog', () => ({}));
vi.mock('@tauri-apps/plugin-opener', () => ({}));

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function overHttp(): Promise<Backend> {
  const body = new ReadableStream<Uint8Array>({
    start: (stream) => void (send = () => stream.enqueue(new TextEncoder().encode(`${JSON.stringify(FRAME)}\n`))),
  });
  vi.stubGlobal('location', { hash: '', pathname: '/' });
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('fetch', async (url: string) =>
    url === '/api/session' ? Response.json({ access: 'everything' }) : new Response(body, { status: 200 }),
  );
  return browser();
}

test.each([
  ['the browser', overHttp],
  ['the window', desktop],
])('%s says that nothing comes, and that something comes again', async (_, open) => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  vi.stubGlobal('document', Object.assign(new EventTarget(), { hidden: false }));
  const backend = await open();
  const said: (string | null)[] = [];
  let frames = 0;
  const stop = backend.watch(
    null,
    () => (frames += 1),
    (error) => said.push(error?.message ?? null),
  );
  await vi.waitFor(() => expect(said).toEqual([null]));
  for (let s = 0; s < 6; s += 1) vi.advanceTimersByTime(1000);
  expect(said.at(-1)).toBe('No answer from the engine');
  send();
  await vi.waitFor(() => expect([frames, said.at(-1)]).toEqual([1, null]));
  stop();
});

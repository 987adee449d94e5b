import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { browser } from './http';
import type { Backend } from './index';
import type { ApiError, Frame } from './types';

type Answer = (url: string, init: RequestInit) => Response | Promise<Response>;
let answer: Answer;
let asked: { url: string; init: RequestInit }[];
const replaced = vi.fn();

class Keep {
  readonly kept = new Map<string, string>();
  getItem = (key: string): string | null => this.kept.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.kept.set(key, value);
}

/** The channels of this test's tabs; each hears the others, a moment later. */
let tabs: FakeChannel[];
class FakeChannel {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  constructor() {
    tabs.push(this);
  }
  postMessage(data: unknown): void {
    for (const tab of tabs) if (tab !== this) queueMicrotask(() => tab.onmessage?.({ data }));
  }
  close(): void {
    tabs = tabs.filter((tab) => tab !== this);
  }
}

/** A stream that sends these pieces, then ends or stays open. */
function pieces(texts: string[], ends: boolean): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const text of texts) controller.enqueue(new TextEncoder().encode(text));
      if (ends) controller.close();
    },
  });
  return new Response(body, { status: 200 });
}

const frame = (seq: number): string => JSON.stringify({ seq, names: [], values: [], parts: [] });

beforeEach(() => {
  asked = [];
  tabs = [];
  vi.stubGlobal('BroadcastChannel', FakeChannel);
  replaced.mockReset();
  vi.stubGlobal('location', { hash: '#token=abc', pathname: '/' });
  vi.stubGlobal('history', { replaceState: replaced });
  vi.stubGlobal('sessionStorage', new Keep());
  vi.stubGlobal('localStorage', new Keep());
  vi.stubGlobal('document', Object.assign(new EventTarget(), { hidden: false }));
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    asked.push({ url, init });
    return answer(url, init);
  });
});
afterEach(() => void vi.unstubAllGlobals());

const failure = async (b: Backend): Promise<ApiError> => {
  try {
    await b.call('env.list', {});
  } catch (error) {
    return error as ApiError;
  }
  throw new Error('it should have been refused');
};

test('the token goes from the fragment into a header and out of the address', async () => {
  answer = () => Response.json([]);
  const b = await browser();
  expect(await b.call('env.list', {})).toEqual([]);
  expect(replaced).toHaveBeenCalledWith(null, '', '/');
  expect(asked[0]).toMatchObject({ url: '/api/rpc/env.list', init: { method: 'POST', body: '{}' } });
  expect(new Headers(asked[0]!.init.headers).get('Authorization')).toBe('Bearer abc');
});

test('a reload finds the token again', async () => {
  answer = () => Response.json([]);
  await browser();
  vi.stubGlobal('location', { hash: '#/overview', pathname: '/' });
  await (await browser()).call('env.list', {});
  expect(new Headers(asked[0]!.init.headers).get('Authorization')).toBe('Bearer abc');
});

test('a tab that a link opened is signed in by the one that was looked at last', async () => {
  vi.useFakeTimers();
  vi.stubGlobal('document', Object.assign(new EventTarget(), { hidden: true }));
  vi.stubGlobal('location', { hash: '#token=older', pathname: '/' });
  await browser();
  vi.setSystemTime(Date.now() + 1000);
  vi.stubGlobal('sessionStorage', new Keep());
  vi.stubGlobal('location', { hash: '#token=newer', pathname: '/' });
  await browser();
  const kept = new Keep();
  vi.stubGlobal('sessionStorage', kept);
  vi.stubGlobal('location', { hash: '#/e/shop/overview', pathname: '/' });
  const opened = browser();
  await vi.advanceTimersByTimeAsync(200);
  answer = () => Response.json([]);
  await (await opened).call('env.list', {});
  expect(new Headers(asked[0]!.init.headers).get('Authorization')).toBe('Bearer newer');
  expect(kept.getItem('perfdeck.token'), 'a reload finds it').toBe('newer');
  vi.useRealTimers();
});

test('a tab without another one to ask is not signed in', async () => {
  vi.useFakeTimers();
  vi.stubGlobal('location', { hash: '#/overview', pathname: '/' });
  const opened = browser();
  await vi.advanceTimersByTimeAsync(200);
  answer = () => Response.json([]);
  await (await opened).call('env.list', {});
  expect(new Headers(asked[0]!.init.headers).get('Authorization')?.trim()).toBe('Bearer');
  expect(tabs, 'it lends nothing').toEqual([]);
  vi.useRealTimers();
});

test('a refusal is the ApiError of the answer, else one about the answer', async () => {
  const refused: ApiError = { code: 'conflict', message: 'name: is taken', hint: null, retryable: false };
  answer = () => Response.json(refused, { status: 409 });
  const b = await browser();
  expect(await failure(b)).toEqual(refused);
  answer = () => new Response('<html>', { status: 502 });
  expect((await failure(b)).message).toContain('502');
  answer = () => Promise.reject(new TypeError('Failed to fetch'));
  expect((await failure(b)).code).toBe('unreachable');
});

test('binary answers stay bytes', async () => {
  answer = () => new Response(new Uint8Array([1, 2, 3, 4]), { headers: { 'Content-Type': 'application/octet-stream' } });
  const got = await (await browser()).call('monitor.history', {});
  expect((got as ArrayBuffer).byteLength).toBe(4);
});

test('frames are put together from the pieces they arrive in', async () => {
  answer = () => pieces([`${frame(1)}\n{"se`, `q":2,"names":[],"values":[],"parts":[]}\n\n${frame(3)}`, '\n'], false);
  const seen: number[] = [];
  const stop = (await browser()).watch(
    'a b',
    (f: Frame) => seen.push(f.seq),
    () => undefined,
  );
  await vi.waitFor(() => expect(seen).toEqual([1, 2, 3]));
  expect(asked[0]!.url).toBe('/api/stream?topics=series%2Ctargets%2Cjobs%2Cbench%2Cown%2Cchanged&environment_id=a+b');
  stop();
});

test('a stream that ends is opened again, and the reader is told meanwhile', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  answer = () => pieces([`${frame(asked.length)}\n`], asked.length === 1);
  const seen: number[] = [];
  const states: (string | null)[] = [];
  const stop = (await browser()).watch(
    null,
    (f: Frame) => seen.push(f.seq),
    (e) => states.push(e?.code ?? null),
  );
  await vi.waitFor(() => expect(states).toEqual([null, 'unreachable']));
  await vi.advanceTimersByTimeAsync(500);
  await vi.waitFor(() => expect(seen).toEqual([1, 2]));
  vi.useRealTimers();
  expect(states, 'answers, is gone, answers').toEqual([null, 'unreachable', null]);
  stop();
});

test('a hidden page is sent nothing, and a shown one a fresh stream', async () => {
  answer = () => pieces([`${frame(asked.length)}\n`], false);
  const seen: number[] = [];
  const stop = (await browser()).watch(
    null,
    (f: Frame) => seen.push(f.seq),
    () => undefined,
  );
  await vi.waitFor(() => expect(seen).toEqual([1]));
  Object.assign(document, { hidden: true });
  document.dispatchEvent(new Event('visibilitychange'));
  expect(asked[0]!.init.signal?.aborted, 'the stream is closed').toBe(true);
  Object.assign(document, { hidden: false });
  document.dispatchEvent(new Event('visibilitychange'));
  await vi.waitFor(() => expect(seen).toEqual([1, 2]));
  stop();
  expect(asked[1]!.init.signal?.aborted).toBe(true);
});

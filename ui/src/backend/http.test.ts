import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { browser } from './http';
import type { Backend } from './index';
import type { ApiError, Frame } from './types';

type Answer = (url: string, init: RequestInit) => Response | Promise<Response>;
let answer: Answer;
/** What the door answers. */
let admit: () => Response;
type Asked = { url: string; init: RequestInit };
/** What was asked of the door, and everything else. */
let entered: Asked[];
let asked: Asked[];
/** What the page listens to. */
let heard: EventTarget;
const replaced = vi.fn();

class Keep {
  readonly kept = new Map<string, string>();
  getItem = (key: string): string | null => this.kept.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.kept.set(key, value);
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
  entered = [];
  admit = () => Response.json({ access: 'everything' });
  heard = new EventTarget();
  vi.stubGlobal('addEventListener', heard.addEventListener.bind(heard));
  replaced.mockReset();
  vi.stubGlobal('location', { hash: '#token=abc', pathname: '/' });
  vi.stubGlobal('history', { replaceState: replaced });
  vi.stubGlobal('sessionStorage', new Keep());
  vi.stubGlobal('localStorage', new Keep());
  vi.stubGlobal('document', Object.assign(new EventTarget(), { hidden: false }));
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    const door = url === '/api/session';
    (door ? entered : asked).push({ url, init });
    return door ? admit() : answer(url, init);
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

test('the token of the address is handed in once, for a session, and does not stay in the address', async () => {
  const b = await browser();
  expect(replaced).toHaveBeenCalledWith(null, '', '/');
  expect([entered[0]!.url, entered[0]!.init.method]).toEqual(['/api/session', 'POST']);
  expect(new Headers(entered[0]!.init.headers).get('Authorization')).toBe('Bearer abc');
  answer = () => Response.json([]);
  expect(await b.call('env.list', {})).toEqual([]);
  expect(asked[0]).toMatchObject({ url: '/api/rpc/env.list', init: { method: 'POST', body: '{}' } });
  const sent = new Headers(asked[0]!.init.headers);
  expect([sent.get('Authorization'), sent.get('Perfdeck-Page')], 'the cookie goes by itself').toEqual([null, '1']);
});

test('a reload, a second tab and a link ask with the session of the browser', async () => {
  vi.stubGlobal('location', { hash: '#/e/shop/overview', pathname: '/' });
  admit = () => Response.json({ access: 'reading' });
  const b = await browser();
  expect(new Headers(entered[0]!.init.headers).get('Authorization')).toBeNull();
  expect(replaced, 'the address stays').not.toHaveBeenCalled();
  expect(b.looks, 'a link that only looks says so').toBe(true);
});

test('who is not let in is told what to do, and asks for nothing more', async () => {
  const refused: ApiError = { code: 'authentication', message: 'opened before', hint: 'open the new one', retryable: false };
  admit = () => Response.json(refused, { status: 401 });
  const b = await browser();
  expect(await failure(b)).toEqual(refused);
  b.watch(
    null,
    () => undefined,
    () => undefined,
  );
  expect(asked).toEqual([]);
});

test('an address that is pasted into an open tab signs it in and comes back to what was shown', async () => {
  vi.stubGlobal('location', { hash: '#/e/shop/overview', pathname: '/', reload: vi.fn() });
  await browser();
  const event = Object.assign(new Event('hashchange'), {
    oldURL: 'http://127.0.0.1:1/#/e/shop/overview',
    newURL: 'http://127.0.0.1:1/#token=next',
  });
  const others = vi.fn();
  heard.addEventListener('hashchange', others);
  heard.dispatchEvent(event);
  expect(replaced).toHaveBeenCalledWith(null, '', '#/e/shop/overview');
  expect(others, 'nothing takes the token for a screen').not.toHaveBeenCalled();
  await vi.waitFor(() => expect(location.reload).toHaveBeenCalled());
  expect(new Headers(entered[1]!.init.headers).get('Authorization')).toBe('Bearer next');
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

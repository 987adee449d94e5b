import { beforeEach, expect, test, vi } from 'vitest';
import { frame } from '../testing/frames';
import { turn } from '../testing/turn';

const fake = vi.hoisted(() => ({
  watched: [] as { id: string | null; send: (frame: unknown) => void; stopped: boolean }[],
  kept: new Map<string, unknown>(),
  calls: [] as string[],
  monitor: [] as unknown[],
  demo: false,
  looks: false,
  /** Environments beside the usual one. */
  others: [] as string[],
  /** Answers of `env.list` in the order asked for; `null` answers at once. */
  lists: null as { answer: (list: unknown[]) => void }[] | null,
}));

vi.mock('../backend', () => {
  const summaries = [{ id: 'shop', name: 'shop', kind: 'staging', demo: false, targets: [['api', 'http://x']], runs: 0 }];
  const rpc = async (name: string): Promise<unknown> => {
    fake.calls.push(name);
    if (name === 'env.list' && fake.lists !== null) {
      return new Promise((answer) => fake.lists!.push({ answer }));
    }
    const others = [
      ...fake.others.map((id) => ({ ...summaries[0], id, name: id })),
      ...(fake.demo ? [{ ...summaries[0], id: 'demo', demo: true }] : []),
    ];
    if (name === 'env.list') return [...summaries, ...others];
    if (name === 'findings.list') return [{ id: 'f' }];
    if (name === 'monitor.start') return fake.monitor;
    return { targets: { api: { url: 'http://x', probe_path: '/up' } } };
  };
  return {
    rpc,
    rpcAny: rpc,
    columns: rpc,
    toApiError: (e: unknown) => e,
    backend: async () => ({
      kind: 'browser',
      looks: fake.looks,
      getPreference: async (key: string) => fake.kept.get(key),
      setPreference: async (key: string, value: unknown) => void fake.kept.set(key, value),
      watch: (id: string | null, send: (frame: unknown) => void) => {
        const entry = { id, send, stopped: false };
        fake.watched.push(entry);
        return () => (entry.stopped = true);
      },
    }),
  };
});

const last = () => fake.watched[fake.watched.length - 1]!;

async function fresh() {
  vi.resetModules();
  return (await import('./app.svelte')).app;
}

beforeEach(() => {
  fake.watched.length = 0;
  fake.calls.length = 0;
  fake.kept.clear();
  fake.lists = null;
  [fake.demo, fake.looks, fake.others] = [false, false, []];
  vi.stubGlobal('location', { hash: '', replace: (to: string) => (location.hash = to) });
  vi.stubGlobal('history', { replaceState: (_: unknown, __: string, to: string) => (location.hash = to) });
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('document', { documentElement: { dataset: {} } });
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: () => undefined }));
});

test('opening an environment watches it, remembers it and shows it', async () => {
  const app = await fresh();
  await app.begin();
  expect([app.ready, app.currentId, last().id]).toEqual([true, null, null]);
  await app.open('shop');
  await vi.waitFor(() => expect(last().id).toBe('shop'));
  expect(fake.watched[0]!.stopped, 'one stream at a time').toBe(true);
  expect(fake.kept.get('environment')).toBe('shop');
  expect(location.hash).toBe('#/e/shop/overview');
  expect(app.screens().environment?.apiUrl).toBe('http://x/up');
});

test('absent parts of a frame did not change, and frames of another environment are not ours', async () => {
  const app = await fresh();
  await app.begin();
  await app.open('shop');
  await vi.waitFor(() => expect(last().id).toBe('shop'));
  const own = { cpu: 0.01, memory_bytes: 1, dropped_frames: 0, store_bytes: 1 };
  last().send(frame({ environment_id: 'shop', own }));
  last().send(frame({ environment_id: 'shop' }));
  expect(app.own).toEqual(own);
  last().send(frame({ environment_id: 'other', own: { ...own, cpu: 1 } }));
  expect(app.own?.cpu).toBe(0.01);
});

test('screens hear frames until they leave', async () => {
  const app = await fresh();
  await app.begin();
  await vi.waitFor(() => expect(fake.watched.length).toBeGreaterThan(0));
  const heard: number[] = [];
  const off = app.screens().onFrame((f) => heard.push(f.at_ms));
  last().send(frame({ at_ms: 1 }));
  off();
  last().send(frame({ at_ms: 2 }));
  expect(heard).toEqual([1]);
});

test('the environment of last time is opened again without waiting for its targets', async () => {
  fake.kept.set('environment', 'shop');
  const app = await fresh();
  await app.begin();
  expect([app.ready, app.currentId]).toEqual([true, 'shop']);
});

test('a list that was asked for earlier does not replace a newer one', async () => {
  const app = await fresh();
  await app.begin();
  await vi.waitFor(() => expect(fake.watched.length).toBeGreaterThan(0));
  fake.lists = [];
  // What was made between the first list and the stream is told by the snapshot.
  last().send(frame({ kind: 'snapshot', changed: ['environments'] }));
  last().send(frame({ changed: ['environments'] }));
  expect(fake.lists).toHaveLength(2);
  const of = (name: string): unknown => ({ id: name, name, kind: 'staging', demo: false, targets: [], runs: 0 });
  fake.lists[1]!.answer([of('blue'), of('green')]);
  await vi.waitFor(() => expect(app.environments.map((e) => e.name)).toEqual(['blue', 'green']));
  fake.lists[0]!.answer([of('blue')]);
  await turn();
  expect(app.environments.map((e) => e.name)).toEqual(['blue', 'green']);
});

test('the address holds the environment: a reload and a link show the same, an unknown one says so', async () => {
  location.hash = '#/e/shop/benchmarks/run-1?at=5';
  let app = await fresh();
  await app.begin();
  expect([app.currentId, app.path, location.hash]).toEqual(['shop', '/benchmarks/run-1', '#/e/shop/benchmarks/run-1?at=5']);
  expect(app.href('/database')).toBe('#/e/shop/database');
  // An address of an earlier version names none: it is the one of last time.
  location.hash = '#/database';
  app = await fresh();
  await app.begin();
  expect([app.currentId, app.path, location.hash]).toEqual(['shop', '/database', '#/e/shop/database']);
  location.hash = '#/e/gone/overview';
  app = await fresh();
  await app.begin();
  expect([app.currentId, app.path, app.failure?.code]).toEqual([null, '/start', 'not_found']);
});

test('what belongs to another environment than the address says is shown under its own', async () => {
  location.hash = '#/e/shop/benchmarks/run-1?span=5';
  fake.others = ['green'];
  const app = await fresh();
  await app.begin();
  const screen = app.screens();
  for (const id of [null, 'shop', 'gone']) screen.within(id);
  expect([app.currentId, location.hash], 'its own, none, and one that is not here').toEqual(['shop', '#/e/shop/benchmarks/run-1?span=5']);
  screen.within('green');
  expect([app.currentId, location.hash]).toEqual(['green', '#/e/green/benchmarks/run-1?span=5']);
  await vi.waitFor(() => expect(last().id).toBe('green'));
});

test('who only looks goes to the demo at once, and builds nothing', async () => {
  location.hash = '#/e/demo/database';
  [fake.demo, fake.looks] = [true, true];
  const app = await fresh();
  await app.begin();
  expect([app.currentId, app.looks, location.hash]).toEqual(['demo', true, '#/e/demo/database']);
});

test('the demo of an address is built on the start screen, which comes back', async () => {
  location.hash = '#/e/demo/database';
  fake.demo = true;
  const app = await fresh();
  await app.begin();
  expect([app.currentId, location.hash]).toEqual([null, '#/start?open=demo&to=%2Fdatabase']);
});

test('what an address chooses of the demo is chosen when the demo is there', async () => {
  location.hash = '#/e/demo/settings?of=shop';
  fake.demo = true;
  const app = await fresh();
  await app.begin();
  expect(location.hash).toBe('#/start?open=demo&to=%2Fsettings%3Fof%3Dshop');
  await app.open('demo', '/settings?of=shop', true);
  expect([app.path, app.screens().param('of'), location.hash]).toEqual(['/settings', 'shop', '#/e/demo/settings?of=shop']);
});

test('a screen changes parameters of the address without a step, and reads what is there now', async () => {
  location.hash = '#/e/shop/reports/new?span=300';
  const app = await fresh();
  await app.begin();
  const screen = app.screens();
  screen.setParams({ run: 'a b', span: null });
  expect([screen.param('run'), screen.param('span'), location.hash]).toEqual(['a b', null, '#/e/shop/reports/new?run=a+b']);
  // The event of a step comes after the address has changed.
  app.go('/database?span=60');
  screen.setParams({ run: 'b' });
  expect(location.hash, 'a screen that is left changes nothing').toBe('#/e/shop/database?span=60');
});

test('an address that only led to an environment is no step to come back to', async () => {
  const app = await fresh();
  await app.begin();
  location.hash = '#/start?open=demo&to=%2Fdatabase';
  const steps: string[] = [];
  vi.stubGlobal('location', {
    get hash() {
      return steps.at(-1) ?? '#/start?open=demo&to=%2Fdatabase';
    },
    set hash(to: string) {
      steps.push(`pushed ${to}`);
    },
  });
  vi.stubGlobal('history', { replaceState: (_: unknown, __: string, to: string) => steps.push(to) });
  await app.open('shop', '/database', true);
  expect(steps).toEqual(['#/e/shop/database']);
});

test('an environment that is not here any more is left', async () => {
  const app = await fresh();
  let changed = (): void => undefined;
  vi.stubGlobal('addEventListener', (name: string, listener: (event: { oldURL: string }) => void) => {
    if (name === 'hashchange') changed = () => listener({ oldURL: '' });
  });
  await app.begin();
  await app.open('shop');
  await vi.waitFor(() => expect(last().id).toBe('shop'));
  location.hash = '#/e/gone/overview';
  changed();
  await vi.waitFor(() => expect(last().id).toBeNull());
  expect([app.currentId, app.full, app.findings, app.failure?.code]).toEqual([null, null, null, 'not_found']);
});

test('an environment that was made a moment ago is found, also while another reading is under way', async () => {
  const app = await fresh();
  let changed = (): void => undefined;
  vi.stubGlobal('addEventListener', (name: string, listener: (event: { oldURL: string }) => void) => {
    if (name === 'hashchange') changed = () => listener({ oldURL: '' });
  });
  await app.begin();
  fake.lists = [];
  location.hash = '#/e/new/overview';
  changed();
  void app.refresh();
  const made = [{ id: 'new', name: 'new', kind: 'staging', demo: false, targets: [], runs: 0 }];
  fake.lists[0]!.answer([]);
  await Promise.resolve();
  fake.lists[1]!.answer(made);
  await vi.waitFor(() => expect(app.currentId).toBe('new'));
  expect(app.failure).toBeNull();
});

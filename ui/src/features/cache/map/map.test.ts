// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { CacheHeat, CacheHeatNamespace, CacheMap, CacheMapPage, JobStatus, MapNamespace } from '../../../backend/types';
import { fakeApp } from '../../../testing/app';
import { target } from '../../../testing/values';
import { bytes } from '../../../kit/figures';
import { look } from '../cache.testing';
import { fillBy, heatColumns, heatOf } from './heat';
import { columnsOf, csv, labelOf, nameOf, offPercent, percent, profile, progressOf, sure, sureAbout, tilesOf } from './map';
import Page from './Page.svelte';

const namespace = (of: Partial<MapNamespace> = {}): MapNamespace => ({
  path: 'availability',
  name: 'availability:*',
  label: 'availability:*',
  pattern: { text: 'availability:*' },
  depth: 1,
  inside: 0,
  keys: { kind: 'estimate', value: 1_284_100, low: 1_281_700, high: 1_286_500 },
  bytes: { kind: 'estimate', value: 921 * 2 ** 20, low: 905 * 2 ** 20, high: 937 * 2 ** 20 },
  share_of_keys: 0.3,
  share_of_bytes: 0.314,
  share_of_bytes_error: 0.005,
  bytes_per_key: 717,
  without_expiry: { kind: 'estimate', value: 0, low: 0, high: 400 },
  ttl: { buckets: [{ from_s: 512, to_s: 1024, keys: 1_284_100 }], median_s: 780 },
  types: [{ name: 'string', keys: 1_284_100 }],
  sampled: 12_800,
  examples: [{ text: 'availability:118:2026-11-24' }, { base64: 'gAEC' }],
  parts: [{ label: 'this week', keys: 600_000, bytes: 405 * 2 ** 20 }],
  ...of,
});
const session = namespace({
  path: 'session',
  name: 'session:*',
  inside: 2,
  keys: { kind: 'at_least', value: 506_200 },
  without_expiry: { kind: 'at_least', value: 506_200 },
  ttl: { buckets: [], median_s: null },
  share_of_bytes: 0.123,
});
const map = (of: Partial<CacheMap> = {}): CacheMap => ({
  id: 'm1',
  job_id: 'j1',
  detail: 'sampled',
  state: 'running',
  started_ms: 0,
  duration_s: 69,
  progress: 0.38,
  left_s: 112,
  server: 'Valkey 9.1.2',
  keys_read: 1_600_000,
  sampled: 16_000,
  all: namespace({ keys: { kind: 'estimate', value: 4_220_000, low: 4_220_000, high: 4_220_000 } }),
  exact: false,
  random_sample: true,
  churn: 0,
  used_memory_bytes: 3 * 2 ** 30,
  max_memory_bytes: 3 * 2 ** 30,
  delimiters: ':',
  namespaces: 900,
  folded: 0,
  pace: {
    paced: true,
    keys_per_s: 23_200,
    cpu_share: 0.084,
    cpu_limit: 0.1,
    added_p99_ms: 0.7,
    added_limit_ms: 2,
    halved: 3,
  },
  nodes: [
    {
      address: 'cache-1:6379',
      replica: false,
      keys_read: 1_600_000,
      keys: 4_220_000,
      finished: false,
      refused: 0,
      problem: null,
      hint: null,
    },
  ],
  notes: [],
  ...of,
});
const page = (of: Partial<CacheMapPage> = {}): CacheMapPage => ({
  map: map(),
  within: [],
  namespaces: [namespace(), session],
  left_out: 1_204,
  left_out_keys: 112_800,
  left_out_bytes: 45 * 2 ** 20,
  ...of,
});
const job: JobStatus = {
  id: 'j1',
  kind: 'cache_map',
  title: 'Map',
  environment_id: 'e',
  state: 'running',
  progress: null,
  step: '',
  started_ms: 0,
  finished_ms: null,
  error: null,
  result: null,
  cancellable: true,
};

test('a figure says how sure it is: exact, with its interval, or as a lower bound', () => {
  expect(sure({ kind: 'exact', value: 12 })).toEqual({ text: '12', error: null });
  expect(sure({ kind: 'estimate', value: 100, low: 90, high: 130 })).toEqual({ text: '100', error: '±\u202f30' });
  expect(sure({ kind: 'at_least', value: 12 }).text).toBe('≥\u202f12');
  expect(sure(null)).toEqual({ text: '–', error: null });
});

test('where equal values were sampled it says about, and an interval wider than its figure says where it ends', () => {
  const alike = { kind: 'estimate', value: 1.5 * 2 ** 20, low: 1.5 * 2 ** 20, high: 1.5 * 2 ** 20 } as const;
  expect(sure(alike, bytes)).toEqual({ text: '≈\u202f1.50\u202fMiB', error: null });
  expect(sureAbout(alike, bytes)).toContain('alike');
  const wide = { kind: 'estimate', value: 37.7 * 2 ** 20, low: 0, high: 1.69 * 2 ** 30 } as const;
  expect(sure(wide, bytes)).toEqual({ text: '37.7\u202fMiB', error: 'to 1.69\u202fGiB' });
  const usual = { kind: 'estimate', value: 44.1 * 2 ** 20, low: 42.5 * 2 ** 20, high: 45.74 * 2 ** 20 } as const;
  expect(sure(usual, bytes), 'in the unit of the figure').toEqual({ text: '44.1\u202fMiB', error: '±\u202f1.6' });
});

test('a map says whether it is exact, sampled or unfinished, and so does what has no interval of its own', () => {
  expect(labelOf(map()).word).toBe('unfinished');
  expect(labelOf(map({ state: 'finished', exact: true, detail: 'exact' })).word).toBe('exact');
  expect(labelOf(map({ state: 'finished', exact: true, detail: 'sampled' })).word).toBe('sampled');
  const whole = namespace({ bytes: { kind: 'exact', value: 2 ** 20 } });
  expect(labelOf(map({ state: 'finished', exact: true, all: whole })).word, 'all were asked though a sample would do').toBe('exact');
  const parts = (of: Partial<MapNamespace>) => tilesOf(page({ namespaces: [namespace(of)] }))[0]?.children[0]?.lines[0];
  expect(parts({})).toBe('≈\u202f405\u202fMiB');
  expect(parts({ bytes: { kind: 'exact', value: 2 ** 20 } })).toBe('405\u202fMiB');
  expect(parts({ bytes: { kind: 'at_least', value: 2 ** 20 } })).toBe('≥\u202f405\u202fMiB');
  expect(tilesOf(page()).at(-1)?.lines[0]).toBe('≈\u202f45.0\u202fMiB');
});

test('columns that do not fit go, the last ones stay', () => {
  const keys = (room: number, more = 0): string[] =>
    columnsOf(room, heatColumns(heatOf(measured(), page())).slice(0, more)).map((c) => c.key);
  expect(keys(1284)).toEqual(['name', 'keys', 'bytes', 'share', 'each', 'ttl', 'forever']);
  expect(keys(864), 'beside the drawer').toEqual(['name', 'keys', 'bytes', 'share', 'ttl', 'forever']);
  for (const room of [636, 864, 1284]) {
    const all = columnsOf(room);
    expect(
      all.reduce((sum, c) => sum + (c.width ?? c.least ?? 0), 0),
      `${room} px`,
    ).toBeLessThanOrEqual(room);
  }
});

const hot = (name: string | null, of: Partial<CacheHeatNamespace> = {}): CacheHeatNamespace => ({
  name,
  seen: 100,
  share: 0.5,
  share_low: null,
  share_high: null,
  mean_counter: null,
  reads_per_s: 90,
  writes_per_s: 10,
  hit_ratio_at_most: 0.93,
  ...of,
});
const measured = (of: Partial<CacheHeat> = {}): CacheHeat => ({
  at_ms: 1e12,
  method: 'monitor',
  took_s: 2,
  version: 'Redis 7.0.15',
  sampled: 400,
  ended_by: null,
  namespaces: [hot('availability:*')],
  left_out: 0,
  keys: [],
  unknown: [],
  ...of,
});

test('heat is of what it was measured of, and says why it is not known of the rest', () => {
  const [first, second] = [namespace(), session];
  const watched = heatOf(measured(), page());
  expect(watched.of(first)?.share).toBe(0.5);
  expect(watched.of(second)?.share, 'all commands were seen, and none of it').toBe(0);
  const cut = heatOf(measured({ ended_by: '8 MiB were read' }), page());
  expect(cut.of(second), 'not all were seen').toBeNull();
  expect(cut.why(second)).toContain('Not among');
  expect(heatOf(measured({ method: 'lfu' }), page()).why(second)).toContain('None of its keys was drawn');
  expect(heatOf(null, page()).why(first)).toBe('Not measured yet');
  const inside = heatOf(measured(), page({ within: [session] }));
  expect(inside.of(first)).toBeNull();
  expect(inside.why(first)).toContain('up to their first colon');
  const plain = namespace({ name: 'lonely' });
  expect(watched.why(plain)).toContain('without a colon');
  expect(heatColumns(watched).map((c) => [c.key, c.text(first)])).toEqual([
    ['use', '50.0\u202f%'],
    ['hits', '≤\u202f93.0\u202f%'],
  ]);
  expect(fillBy('heat', watched)(second)).toMatchObject({ heat: 0, warns: false });
  expect(fillBy('hits', cut)(second)).toMatchObject({ heat: null, words: 'hit ratio not known' });
  expect(csv(page(), watched.of)).toMatch(/^availability:.*,0\.5,0\.93,unfinished$/m);
});

test('what measuring costs is said before it starts, and counters only where there are some', async () => {
  const sent: unknown[] = [];
  let heat: CacheHeat | null = null;
  const { context } = fakeApp(
    {
      'cache.look': () => look({ memory: { ...look().memory, policy: 'noeviction' } }),
      'cache.map_state': () => page(),
      'cache.heat': () => heat,
      'cache.measure_heat': (request) => {
        sent.push(request);
        heat = measured();
        return { ...job, kind: 'cache_heat', state: 'done' };
      },
    },
    { targets: [target({ role: 'cache' })], path: '/cache' },
  );
  render(Page, { context });
  await screen.findByTestId('cache-glance-memory');
  await fireEvent.click(await screen.findByTestId('map-heat'));
  expect(screen.getByTestId('heat-source').textContent).toContain('up to half of its time');
  await fireEvent.click(screen.getByTestId('heat-lfu'));
  expect(screen.getByTestId('heat-why').textContent).toContain('noeviction keeps no counters');
  expect(screen.getByTestId<HTMLButtonElement>('heat-measure').disabled).toBe(true);
  await fireEvent.click(screen.getByTestId('heat-monitor'));
  await fireEvent.click(screen.getByTestId('heat-measure'));
  await fireEvent.click(await screen.findByTestId('map-colour-hits'));
  expect(sent).toEqual([{ environment_id: 'shop', method: 'monitor', seconds: 2 }]);
  expect(screen.getAllByTestId('map-tree-tile')[0]?.textContent).toContain('93.0');
  expect(screen.getAllByTestId('map-namespace')[0]?.textContent).toContain('50.0');
});

test('a scan says what was read, of how much, and what that makes of the figures', () => {
  expect(progressOf(map()).strong).toBe('Scanned 38.0\u202f% of 4\u202f220\u202f000 keys');
  expect(progressOf(map({ random_sample: false })).rest).toContain('lower bounds');
  expect(progressOf(map({ state: 'paused' })).strong).toContain('Paused at');
  expect(progressOf(map({ state: 'unfinished' })).strong).toBe('Ended after 1\u202f600\u202f000 keys');
  expect(progressOf(map({ state: 'finished', exact: true, detail: 'exact' })).strong).toBe('1\u202f600\u202f000 keys, all read');
});

test('tiles have the bytes as area, a warning where most never expire, and what is not listed as one more', () => {
  const tiles = tilesOf(page());
  expect(tiles.map((t) => [t.name, t.warns])).toEqual([
    ['availability:*', false],
    ['session:*', true],
    ['1\u202f204 others', false],
  ]);
  expect(tiles[1]?.lines[1]).toBe('no key expires');
  expect(tiles[0]?.lines[1]).toContain('median TTL');
  const names = tilesOf(page({ namespaces: [namespace({ bytes: null, share_of_bytes: null })], left_out: 0 }));
  expect(names[0]?.weight).toBe(1_284_100);
});

test('times to live are bars on one scale, and what has none has no bars', () => {
  expect(Math.max(...profile(namespace()))).toBe(1);
  expect(Math.max(...profile(session))).toBe(0);
});

test('an export has each figure with its bounds and what it is', () => {
  const [head, first, second] = csv(page()).split('\n');
  expect(head).toContain('keys_low,keys_high,keys_are');
  expect(first).toContain('availability:*,1284100,1281700,1286500,estimate');
  expect(second).toContain('session:*,506200,506200,,at least');
});

test('a name that is no text is told by its length', () => {
  expect(nameOf({ base64: 'gAEC' })).toBe('3 bytes that are no text');
  expect(nameOf({ base64: 'gA==' })).toBe('1 byte that is no text');
});

test('a scan is begun as it was chosen', async () => {
  const sent: unknown[] = [];
  const { context } = fakeApp(
    {
      'cache.map_state': () => null,
      'cache.map': (request) => {
        sent.push(request);
        return job;
      },
    },
    { targets: [target({ role: 'cache' })], path: '/cache' },
  );
  render(Page, { context });
  await fireEvent.click(await screen.findByTestId('map-detail-exact'));
  await fireEvent.click(screen.getByTestId('map-paced'));
  await fireEvent.click(screen.getByTestId('map-begin'));
  await waitFor(() => expect(sent).toEqual([expect.objectContaining({ detail: 'exact', no_pace: true, replica: false })]));
});

test('the map is gone into, a namespace is shown, and the scan is paused and stopped', async () => {
  const asked: string[] = [];
  const did: unknown[] = [];
  const { context, address } = fakeApp(
    {
      'cache.map_state': (request) => {
        asked.push(request.path);
        return page();
      },
      'cache.map_control': ({ order }) => {
        did.push(order);
        return null;
      },
    },
    { targets: [target({ role: 'cache' })], path: '/cache' },
  );
  render(Page, { context });
  expect((await screen.findByTestId('map-progress')).textContent).toContain('38.0');
  const rows = screen.getAllByTestId('map-namespace');
  expect(rows[1]?.textContent).toContain('≥');
  expect(rows[1]?.dataset['sure']).toBe('at_least');
  await fireEvent.click(rows[1]!);
  expect((await screen.findByTestId('map-chosen')).textContent).toContain('session:*');
  await fireEvent.click(screen.getByTestId('map-into'));
  await waitFor(() => expect(asked).toContain('session'));
  expect(address.param('in')).toBe('session');
  await fireEvent.click(screen.getByTestId('map-pause'));
  await fireEvent.click(screen.getByTestId('map-stop'));
  await waitFor(() => expect(did).toEqual(['pause', 'stop']));
});

test('a share that is there is not 0 %, nor one that is not all 100 %', () => {
  const plain = (text: string): string => text.replaceAll(/\s/gu, ' ');
  expect([0, 0.00004, 0.0006, 0.314, 0.99996, 1].map((n) => plain(percent(n)))).toEqual(['0.0', '< 0.1', '0.1', '31.4', '99.9', '100.0']);
  expect([0, 0.0004, 0.005].map((n) => plain(offPercent(n)))).toEqual(['', '', ' ±0.5']);
});

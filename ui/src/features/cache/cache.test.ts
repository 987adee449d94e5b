// @vitest-environment jsdom
// The screen of a cache: what it says, what it shows of answers, and what it says of what is not known.
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { HealthCheck } from '../../backend/types';
import { fakeApp } from '../../testing/app';
import { refusal } from '../../testing/backend';
import { target } from '../../testing/values';
import { client, clients, entry, health, log, look } from './cache.testing';
import Clients from './clients/Page.svelte';
import { columnsOf, verdict as clientsVerdict } from './clients/clients';
import { figuresOf, spanOf, verdict } from './look/look';
import Index from './index.svelte';
import Look from './map/Page.svelte';
import { unknownParts, type Said } from './said';
import { columnsOf as slowColumns, lineOf, verdict as slowVerdict } from './slowlog/slowlog';
import Slow from './slowlog/Page.svelte';

const plain = (text: string | null | undefined): string =>
  (text ?? '')
    .replaceAll(/[\u2009\u202f]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
const said = (v: Said | null): string => plain(v ? `${v.tone ?? ''}: ${v.strong} ${v.rest}` : 'nothing');
const there = {
  environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['cache'] },
  targets: [target({ role: 'cache' })],
  findings: [],
};
const check = (id: string, of: Partial<HealthCheck> = {}): HealthCheck => ({
  id,
  title: id,
  state: 'ok',
  value: null,
  unit: null,
  threshold: null,
  reason: 'why',
  fix: null,
  grant: null,
  missed: false,
  ...of,
});
const refused = {
  part: 'Slow log',
  reason: "'reader' may not run SLOWLOG GET on h:1",
  grant: 'ACL SETUSER reader +slowlog|get',
  fix: null,
};

test('what fails comes first, then what needs attention, then what there is', () => {
  expect(said(verdict(look(), health()))).toBe('ok: 1 284 100 keys, 98.0 % of look-ups hit since it began');
  const recent = {
    over_s: 5,
    commands_per_s: 1240,
    own_per_s: 12,
    hit_ratio: 0.5,
    look_ups_per_s: 900,
    evicted_per_s: 0,
    expired_per_s: 3,
    rejected: 0,
    in_bytes_per_s: 1,
    out_bytes_per_s: 1,
    busy: 0.2,
  };
  const now = verdict(look({ recent }), health());
  expect(said(now)).toBe('ok: 1 240 commands/s, 50.0 % of look-ups hit, 1 284 100 keys');
  expect(plain(now?.support)).toContain("Perfdeck's own 12/s left out");
  const policy = check('policy', { title: 'Memory limit and policy', state: 'warning' });
  expect(said(verdict(look({ findings: [policy] }), null)), 'before the health is there, the look tells').toBe(
    'warn: 1 check needs attention: Memory limit and policy',
  );
  expect(said(verdict(look(), health([check('slots', { state: 'failing' }), policy])))).toBe('bad: 1 check fails: slots');
  expect(said(verdict(null, null))).toBe('nothing');
});

test('unknown is a dash with its reason, never 0', () => {
  const bare = look({ memory: { ...look().memory, fragmentation: null, allocator: 'libc', dataset_bytes: null, limit_bytes: null } });
  const of = Object.fromEntries(figuresOf(bare).map((f) => [f.name, f]));
  expect(of['fragmentation']).toMatchObject({ value: '–', about: 'libc does not count its pages' });
  expect(of['keys and values']?.value).toBe('–');
  expect(of['limit']?.value, 'no limit is not unknown').toBe('none');
  expect(of['busy']?.value, 'a rate needs two readings').toBe('–');
  expect(plain(spanOf(look().sizes[0]!))).toBe('1 B to 8.00 KiB');
  const twice = unknownParts([{ ...refused, grant: null }, refused, refused]);
  expect(twice, 'each once').toHaveLength(1);
});

test('the page shows figures, commands, sizes, servers, health and what is not known', async () => {
  const { context } = fakeApp(
    {
      'cache.look': () => look({ unknown: [refused] }),
      'cache.health': () => health([check('policy', { state: 'warning', reason: 'no maxmemory' })]),
      'cache.map_state': () => null,
    },
    { ...there, path: '/cache' },
  );
  render(Look, { context });
  const glance = plain((await screen.findByTestId('cache-glance-commands')).textContent);
  expect(glance, 'what costs most is there before anything is unfolded').toMatch(/GET.*70.0 %.*HGETALL.*30.0 %/);
  expect(plain(screen.getByTestId('cache-glance-memory').textContent)).toContain('1.00 GiB of 2.00 GiB, allkeys-lfu');
  expect(plain(screen.getByTestId('cache-glance').textContent)).toContain('1 284 100 keys, 0.00779 % without expiry');
  await fireEvent.click(screen.getByTestId('cache-server-open'));
  expect(plain((await screen.findByTestId('cache-answer')).textContent)).toContain('Redis 8.2.3, one server and 1 replica');
  const rows = await screen.findAllByTestId('cache-command');
  expect(rows.map((r) => plain(r.textContent))[0]).toMatch(/^GET.*70.0 %.*1 000.*1.00 ms/);
  expect(plain(screen.getByTestId('cache-size').textContent)).toContain('strings7');
  expect(plain(screen.getByTestId('cache-node').textContent)).toContain('1 replica, heard of 1 s ago');
  expect(plain((await screen.findByTestId('health-check')).textContent)).toContain('no maxmemory');
  expect(plain(screen.getByTestId('cache-unknown').textContent)).toContain('ACL SETUSER reader +slowlog|get');
});

test('a cache that cannot be read says so, and its health is told all the same', async () => {
  const { context } = fakeApp(
    {
      'cache.look': () => {
        throw refusal('h:1 refused the connection', 'Is the server running?');
      },
      'cache.health': () => health([check('reachable', { title: 'Reachable', state: 'failing' })]),
    },
    { ...there, path: '/cache' },
  );
  render(Look, { context });
  expect((await screen.findByTestId('cache-failure')).textContent).toContain('Is the server running?');
  await waitFor(() => expect(plain(screen.getByTestId('cache-answer').textContent)).toContain('1 check fails: Reachable'));
});

test('the slow log shows names of keys, never values, and the longest in a sentence', async () => {
  expect(said(slowVerdict(log()))).toBe(': 2 slow commands, the longest took 45.0 ms: HSET');
  expect(said(slowVerdict(log({ entries: [], unknown: [refused] })))).toMatch(/^unknown: Slow log not seen:/);
  expect(said(slowVerdict(log({ entries: [] })))).toBe('ok: Nothing is logged');
  expect(lineOf(entry({ words_left_out: 5 }))).toBe('HSET user:7 ? … 5 more words');
  const heads = (of: Parameters<typeof log>[0]) => slowColumns(log(of)).map((c) => c.key);
  expect(heads({}), 'without what no server keeps').toEqual(['at', 'took', 'command', 'client']);
  expect(heads({ sizes: true, entries: [entry({ cpu_s: 0.01 })] })).toContain('cpu');
  const { context } = fakeApp({ 'cache.slowlog': () => log() }, { ...there, path: '/cache/slowlog' });
  render(Slow, { context });
  const rows = await screen.findAllByTestId('slow-entry');
  expect(rows).toHaveLength(2);
  await fireEvent.click(rows[0]!);
  const whole = await screen.findByTestId('slow-entry-whole');
  expect(within(whole).getByTitle('left out: 4.88 KiB').textContent).toBe('?');
});

test('clients that wait come first, ours are marked, and what is not told has no column', async () => {
  expect(said(clientsVerdict(clients()))).toBe('warn: 1 of 2 clients waits in BLPOP, the longest for 3 min 10 s');
  expect(said(clientsVerdict(clients({ clients: [client()], connected: 1, ours: 0 })))).toBe('ok: 1 client and none of them is blocked');
  expect(said(clientsVerdict(clients({ clients: [], unknown: [{ ...refused, part: 'Clients' }] })))).toMatch(/^unknown: 3 clients,/);
  const old = clients({ clients: [client({ library: null, commands: null })] });
  expect(columnsOf(old).map((c) => c.key)).not.toContain('library');
  let all = false;
  const { context } = fakeApp(
    {
      'cache.clients': (request) => {
        all ||= request.all;
        return all
          ? clients()
          : clients({ clients: [], left_out: 4000, unknown: [{ ...refused, grant: null, reason: 'h:1 has 4000 clients' }] });
      },
    },
    { ...there, path: '/cache/clients' },
  );
  render(Clients, { context });
  await fireEvent.click(await screen.findByTestId('clients-all'));
  const rows = await screen.findAllByTestId('cache-client');
  expect(rows.map((r) => [r.dataset['state'], r.dataset['ours']])).toEqual([
    ['blocked', undefined],
    ['normal', undefined],
    ['normal', 'true'],
  ]);
});

test('an environment without a cache says what it needs, on each part', async () => {
  for (const path of ['/cache', '/cache/keys', '/cache/slowlog', '/cache/clients']) {
    const none = { ...there, environment: { ...there.environment, roles: ['api'] }, targets: [], path };
    const { context } = fakeApp({}, none);
    const { unmount } = render(Index, { context });
    expect(plain((await screen.findByText(/has no Redis or Valkey/)).textContent)).toContain('Add a cache');
    unmount();
  }
});

test('the address of the map of before leads to where it is now, with what it chose', async () => {
  location.hash = '#/e/shop/cache/map?in=session';
  const { context } = fakeApp({}, { ...there, path: '/cache/map' });
  render(Index, { context });
  await waitFor(() => expect(location.hash).toBe('#/e/shop/cache?in=session'));
});

// @vitest-environment jsdom
// Keys in the window: how they are found, what is said of a search, how values are shown, and that an edit writes over nothing.
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { beforeEach, expect, test } from 'vitest';
import type { CacheKey, Change, EditView, KeyPage, KeyRow, ValuePage } from '../../../backend/types';
import { toasts } from '../../../kit/toasts.svelte';
import { unsaved } from '../../../kit/unsaved.svelte';
import { fakeApp } from '../../../testing/app';
import { refusal } from '../../../testing/backend';
import { AT, job, summary, target } from '../../../testing/values';
import { addTo, bytesTyped, editString, expire, removal, ttlMs, turned, typedOf } from './drafts';
import { listed } from './edits.svelte';
import { jsonTree, size } from './json';
import { askedBy, csv, json, progressWords, verdict } from './keys';
import {
  brief,
  bytesOf,
  cacheBytes,
  containing,
  copied,
  dump,
  hexBytes,
  idOf,
  literal,
  nameOf,
  patternBytes,
  patternText,
  same,
  shown,
} from './names';
import Page from './Page.svelte';
import { fits, MOST, Search, STEP } from './search.svelte';
import { itemsOf, readable } from './value';

beforeEach(() => unsaved.clear());

const plain = (text: string | null | undefined): string =>
  (text ?? '')
    .replaceAll(/[\u2009\u202f]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
const there = {
  environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['cache'] },
  targets: [target({ role: 'cache' })],
  path: '/cache/keys',
};
const BINARY = { base64: btoa('bin:\xff\x00"') };
const row = (text: string, of: Partial<KeyRow> = {}): KeyRow => ({ name: { text }, kind: 'string', ttl: 'never', bytes: 72, ...of });
const page = (of: Partial<KeyPage> = {}): KeyPage => ({
  rows: [row('user:1'), row('user:2', { ttl: { in_ms: 5000 } })],
  next: null,
  progress: 1,
  database_keys: 2,
  missing: [],
  ...of,
});
const key = (of: Partial<CacheKey> = {}): CacheKey => ({
  name: { text: 'user:1' },
  kind: 'string',
  encoding: 'embstr',
  ttl: 'never',
  expires_at_ms: null,
  bytes: 72,
  length: 3,
  used: { idle_s: 4 },
  node: '10.0.0.5:6379',
  read_ms: AT,
  ...of,
});
const text = (value: string, reads_as = 'text', length = value.length) => ({ bytes: { text: value }, length, reads_as });
const value = (part: ValuePage['part'], of: Partial<ValuePage> = {}): ValuePage => ({
  kind: part.type,
  part,
  next: null,
  read_ms: AT,
  ...of,
});
const string = (of: string): ValuePage => value({ type: 'string', from: 0, value: text(of), decoded: null });
const change = (of: Partial<Change> = {}): Change => ({
  id: 'c1',
  kind: 'cache_edit',
  environment_id: 'shop',
  environment: 'shop',
  target: 'cache',
  object: 'user:…#12345678 string',
  title: 'Edit the string `user:…#12345678`',
  statement: 'SET user:…#12345678 <3 B> KEEPTTL',
  undo_statement: 'SET user:…#12345678 <3 B> KEEPTTL',
  undo_cost: null,
  state: 'previewed',
  held: false,
  steps: [],
  preview: [],
  notes: ['It is written only if the server still has what was seen'],
  waits: null,
  lock: null,
  offers: ['apply', 'discard'],
  target_says: null,
  checked_ms: null,
  ends_ms: null,
  created_ms: AT,
  updated_ms: AT,
  error: null,
  prediction: null,
  proof: null,
  ...of,
});
const view = (of: Partial<EditView> = {}): EditView => ({
  key: { text: 'user:1' },
  part: 'string',
  name: null,
  opened: { text: 'one' },
  yours: { text: 'two' },
  theirs: null,
  state: 'as_opened',
  this_run_only: false,
  ...of,
});
const nothingPlanned = { 'changes.list': () => [], 'env.list': () => [summary()] };

test('names that are no text are shown, copied, typed and addressed byte for byte', () => {
  expect(shown(BINARY)).toBe('bin:\\xff\\x00"');
  expect(copied(BINARY)).toBe('"bin:\\xff\\x00\\""');
  expect(copied({ text: 'as it\tis' })).toBe('as it\tis');
  for (const name of [BINARY, { text: 'user:1' }, { text: 'base64:!!' }, { text: '' }])
    expect(same(nameOf(idOf(name)), name), idOf(name)).toBe(true);
  expect(nameOf('base64:!'), 'what is none is none').toBeNull();
  expect(bytesOf(patternBytes('bin:\\xff*'))).toEqual(Uint8Array.from([...'bin:', '\xff', '*'].map((c) => c.charCodeAt(0))));
  expect(patternText(patternBytes('bin:\\xff\\**'))).toBe('bin:\\xff\\**');
  expect(patternBytes('a\\\\x41'), 'an escaped backslash is no byte').toEqual({ text: 'a\\\\x41' });
  expect(brief({ text: 'x'.repeat(500) }, 10)).toBe('xxxxxxxxxx…');
});

test('a pattern that stands for one name is that name, and others are not', () => {
  expect(literal('user:1')).toEqual({ text: 'user:1' });
  expect(literal('a\\*b\\\\')).toEqual({ text: 'a*b\\' });
  expect(same(literal('bin:\\xff'), cacheBytes(Uint8Array.from([98, 105, 110, 58, 255])))).toBe(true);
  for (const pattern of ['user:*', 'user:?', '[ab]']) expect(literal(pattern), pattern).toBeNull();
  expect(containing('a*b')).toBe('*a\\*b*');
});

test('bytes in hex come back, and what is no hex is none', () => {
  const raw = Uint8Array.from({ length: 40 }, (_, i) => i * 6);
  expect(dump(raw).split('\n')).toHaveLength(3);
  expect(dump(Uint8Array.of(65, 0), 16)).toMatch(/^00000010 {2}41 00 +A\.$/);
  expect(hexBytes('0a f')).toBeNull();
  expect(hexBytes('41\n42')).toEqual({ text: 'AB' });
  expect(readable(Uint8Array.of(65, 0xc3), false), 'a character that was cut').toBe('A');
  expect(readable(Uint8Array.of(65, 0xc3), true)).toBeNull();
});

test('a tree of JSON keeps the text of numbers and names that are repeated', () => {
  const tree = jsonTree('{"a":1.90e1,"a":9007199254740993,"b":[true,{"c":null}],"d":{}}')!;
  expect(tree.nodes.map((n) => [n.name, n.token])).toEqual([
    ['"a"', '1.90e1'],
    ['"a"', '9007199254740993'],
    ['"b"', ''],
    ['"d"', ''],
  ]);
  expect(size(tree)).toBe(8);
  for (const no of ['{"a":1', '[1,]', 'nope', '{} {}', '{"a" 1}', `${'['.repeat(900)}${']'.repeat(900)}`])
    expect(jsonTree(no), no.slice(0, 9)).toBeNull();
});

test('what can still grow is a lower bound, and what was looked through is said', () => {
  const of = { rows: [{ ...row('a'), id: 'a' }], running: false, complete: false, progress: 0.5, all: 2000, looked: 1000, failure: null };
  const rest = { full: false, spentMs: 0, missing: [], asked: askedBy('shop', { pattern: 'a*', kind: null, ttl: null, least: null }) };
  const said = (more: object, asks = false): string => {
    const v = verdict({ ...of, ...rest, ...more }, asks);
    return plain(`${v?.strong} ${v?.rest}`);
  };
  expect(said({})).toBe('At least 1 key matches in 50 % of 2 000 keys');
  expect(said({ complete: true, progress: 1 })).toBe('1 key matches; all 2 000 keys were looked through');
  expect(said({ complete: true, rows: [], all: 0 })).toBe('No key at all is in this database');
  expect(said({ rows: [], running: true, progress: null })).toBe('No key yet matches so far');
  expect(plain(progressWords({ ...of, ...rest }))).toBe('stopped, not finished: about 1 000 of 2 000 keys looked through');
  expect(plain(progressWords({ ...of, ...rest, complete: true, looked: 2000 }))).toBe('exact: 2 000 of 2 000 keys looked through');
  expect(plain(progressWords({ ...of, ...rest, looked: null })), 'unknown is not 0').toContain('not known');
});

test('filters are the search that the server gets', () => {
  const { search, exact } = askedBy('shop', { pattern: 'user:*', kind: 'hash', ttl: '60', least: '1024' });
  expect(search).toEqual({
    pattern: { text: 'user:*' },
    kind: 'hash',
    ttl: { within: { from_ms: null, to_ms: 60_000 } },
    min_bytes: 1024,
    max_bytes: null,
  });
  expect(exact).toBeNull();
  expect(fits(row('a', { kind: 'hash', bytes: 2000, ttl: { in_ms: 5000 } }), search)).toBe(true);
  expect(fits(row('a', { kind: 'hash', bytes: 2000 }), search), 'what never expires is not within a time').toBe(false);
  expect(askedBy('shop', { pattern: '*', kind: null, ttl: 'never', least: null }).search).toMatchObject({ pattern: null, ttl: 'never' });
});

test('a search goes on to 500 keys, waits, goes on when asked, and lists none twice', async () => {
  const asked: (string | null)[] = [];
  let at = 0;
  const { app } = fakeApp({
    'cache.keys': ({ after }) => {
      asked.push(after);
      const rows = Array.from({ length: 200 }, (_, i) => row(`k${at * 150 + i}`));
      at += 1;
      return page({ rows, next: at < 9 ? `m${at}` : null, progress: at / 9, database_keys: 1350 });
    },
  });
  const search = new Search(app);
  search.begin(askedBy('shop', { pattern: 'k*', kind: null, ttl: null, least: null }));
  await waitFor(() => expect(search.running).toBe(false));
  expect(search.rows!.length).toBeGreaterThanOrEqual(STEP);
  expect([search.complete, new Set(search.rows!.map((r) => r.id)).size]).toEqual([false, search.rows!.length]);
  const first = asked.length;
  search.more(true);
  await waitFor(() => expect(search.complete).toBe(true));
  expect(asked[first], 'it goes on from its mark').toBe(`m${first}`);
  expect(search.looked).toBe(1350);
  expect(MOST).toBeGreaterThanOrEqual(10_000);
  const exported = JSON.parse(json(search.rows!.slice(0, 1), search)) as { complete: boolean; keys: unknown[] };
  expect([exported.complete, exported.keys.length]).toEqual([true, 1]);
  expect(
    csv([
      { ...row('a,"b'), id: 'x' },
      { ...row(''), name: BINARY, id: 'y' },
    ]).split('\n'),
  ).toEqual(['key,key_base64,type,ttl_ms,bytes', '"a,""b",,string,never,72', `"bin:\\xff\\x00""",${BINARY.base64},string,never,72`, '']);
});

test('what stops a search keeps what it found, and its late answer is not taken', async () => {
  let answer: (page: KeyPage) => void = () => undefined;
  const { app } = fakeApp({ 'cache.keys': () => new Promise<KeyPage>((done) => (answer = done)) });
  const search = new Search(app);
  search.begin(askedBy('shop', { pattern: '', kind: null, ttl: null, least: null }));
  answer(page({ next: 'm1', progress: 0.1, database_keys: 100 }));
  await waitFor(() => expect(search.rows).toHaveLength(2));
  search.stop();
  answer(page({ rows: [row('late')] }));
  await Promise.resolve();
  expect([search.running, search.complete, search.rows!.map((r) => r.id)]).toEqual([false, false, ['user:1', 'user:2']]);
});

test('times mean what they say: never is PERSIST, nothing changes nothing, and 0 asks', () => {
  const made = (typed: string, never = false) => expire().make({ ttl: { text: typed, hex: false, never } });
  expect(made('', true)).toEqual({ edit: { kind: 'expire', in_ms: null } });
  expect(made('  ')).toHaveProperty('nothing');
  expect(made('0')).toEqual({ asks: 'delete' });
  expect(made('1 h 30 min')).toEqual({ edit: { kind: 'expire', in_ms: 5_400_000 } });
  expect(made('soon')).toHaveProperty('fault');
  expect([ttlMs('90'), ttlMs('5 min'), ttlMs('7d'), ttlMs('5 parsecs'), ttlMs('-1')]).toEqual([90_000, 300_000, 604_800_000, null, null]);
});

test('an edit alters no byte that was not entered', () => {
  const of = (was: string) => editString({ text: was });
  const crlf = of('a\r\nb').inputs[0]!;
  expect(typedOf(crlf)).toEqual({ text: 'a\nb', hex: false });
  expect(bytesTyped(crlf, { text: 'a\nc', hex: false })).toEqual({ text: 'a\r\nc' });
  const mixed = of('a\r\nb\nc').inputs[0]!;
  expect(typedOf(mixed).hex, 'two kinds of line ends are edited in hex').toBe(true);
  expect(turned(mixed, typedOf(mixed)), 'and not as text').toBeNull();
  expect(of('a\r\nb').make({ value: typedOf(crlf) })).toHaveProperty('nothing');
  expect(of('1.90e1').make({ value: { text: '2', hex: false } })).toEqual({
    edit: { kind: 'set', value: { text: '2' }, seen: { text: '1.90e1' } },
  });
  expect(of('x').make({ value: { text: '0g', hex: true } })).toMatchObject({ input: 'value' });
  const zset = addTo('zset')!;
  const entered = (score: string) => zset.make({ name: { text: 'm', hex: false }, score: { text: score, hex: false } });
  expect(entered('-inf')).toEqual({ edit: { kind: 'set_score', member: { text: 'm' }, score: '-inf', seen: null } });
  expect(entered('many')).toMatchObject({ input: 'score' });
});

test('parts are taken out with what was seen of them', () => {
  const [element] = itemsOf({ type: 'list', elements: [{ index: 3, value: text('v') }] });
  expect(removal(element!, { text: 'v' })).toEqual({ kind: 'remove_element', index: 3, seen: { text: 'v' } });
  expect(removal(element!, null), 'not before all of it is here').toBeNull();
  const [scored] = itemsOf({ type: 'zset', members: [{ name: text('m'), score: '1.5' }] });
  expect(removal(scored!, null)).toEqual({ kind: 'remove_scored', member: { text: 'm' }, seen: '1.5' });
});

test('the newest edit stands first, none moves because another was applied, and older ones are counted', () => {
  const done = (id: string, at: number) => change({ id, state: 'verified', created_ms: at, updated_ms: at, offers: ['undo', 'keep'] });
  const all = [
    change({ id: 'a', created_ms: 0 }),
    ...[1, 2, 3, 4, 5, 6].map((n) => done(`d${n}`, n)),
    change({ id: 'x', kind: 'drop_index' }),
  ];
  expect(listed(all, new Set()).rows.map((c) => c.id)).toEqual(['d6', 'd5', 'd4', 'd3', 'a']);
  expect(
    listed(all, new Set(['d1'])).rows.map((c) => c.id),
    'what was done in this visit stays',
  ).toEqual(['d6', 'd5', 'd4', 'd1', 'a']);
  expect(listed(all, new Set()).more).toBe(2);
});

test('the page lists keys, shows the chosen one and what its filters are', async () => {
  const asked: unknown[] = [];
  const { context, address } = fakeApp(
    {
      ...nothingPlanned,
      'cache.keys': ({ search }) => (asked.push(search), page()),
      'cache.key': () => key(),
      'cache.value': () =>
        value({
          type: 'string',
          from: 0,
          value: text('{"n":1.90e1}', 'JSON'),
          decoded: { forms: ['JSON'], text: '{\n  "n": 1.90e1\n}', note: null },
        }),
    },
    { ...there, path: '/cache/keys?pattern=user%3A*' },
  );
  render(Page, { context });
  const rows = await screen.findAllByTestId('keys-row');
  expect(rows.map((r) => plain(r.textContent))).toEqual(['user:1 string never 72 B', 'user:2 string 5 s 72 B']);
  expect(plain(screen.getByTestId('keys-answer').textContent)).toContain('2 keys match; all 2 keys were looked through');
  await fireEvent.click(rows[0]!);
  const shownKey = await screen.findByTestId('keys-key');
  await waitFor(() => expect(plain(within(shownKey).getByTestId('keys-content').textContent)).toContain('"n": 1.90e1'));
  expect(address.param('key')).toBe('user:1');
  await fireEvent.click(screen.getByTestId('keys-view-hex'));
  expect(screen.getByTestId('keys-content').textContent).toContain('00000000  7b 22 6e');
  await fireEvent.click(screen.getByTestId('keys-type-hash'));
  await waitFor(() => expect(asked.at(-1)).toMatchObject({ pattern: { text: 'user:*' }, kind: 'hash' }));
});

test('a name without a pattern is asked for by itself, and one that is not there leads on', async () => {
  const { context, calls } = fakeApp(
    {
      ...nothingPlanned,
      'cache.keys': () => page(),
      'cache.key': () => {
        throw { ...refusal('The key is not there'), code: 'not_found' };
      },
    },
    { ...there, path: '/cache/keys?pattern=user' },
  );
  render(Page, { context });
  expect(plain((await screen.findByTestId('keys-none')).textContent)).toBe('No key is called user.');
  expect(calls.filter((c) => c === 'cache.keys')).toEqual([]);
  await fireEvent.click(screen.getByTestId('keys-containing'));
  expect(await screen.findAllByTestId('keys-row')).toHaveLength(2);
});

test('what an account may not see has its rule beside it, and the rest is shown', async () => {
  const missing = [
    {
      node: 'h:1',
      keys: 2,
      error: { ...refusal("'reader' may not run MEMORY USAGE on h:1", 'ACL SETUSER reader +memory|usage'), code: 'privilege' as const },
    },
  ];
  const { context } = fakeApp({ ...nothingPlanned, 'cache.keys': () => page({ rows: [row('a', { bytes: null })], missing }) }, there);
  render(Page, { context });
  expect(plain((await screen.findByTestId('keys-missing')).textContent)).toContain('2 keys incomplete on h:1');
  expect(screen.getByText('ACL SETUSER reader +memory|usage')).toBeTruthy();
  expect(plain(screen.getByTestId('keys-row').textContent), 'unknown is a dash').toBe('a string never –');
});

test('a value is never fetched beyond 64 kB before somebody asks', async () => {
  const asked: unknown[] = [];
  const { context } = fakeApp(
    {
      ...nothingPlanned,
      'cache.keys': () => page(),
      'cache.key': () => key({ length: 300_000 }),
      'cache.value': ({ at, most_bytes }) => {
        asked.push([at, most_bytes]);
        const all = most_bytes !== null;
        return value(
          { type: 'string', from: 0, value: text('x'.repeat(all ? 300_000 : 65_536), 'text', 300_000), decoded: null },
          { next: all ? null : 'i:65536' },
        );
      },
    },
    { ...there, path: '/cache/keys?key=user%3A1' },
  );
  render(Page, { context });
  expect(plain((await screen.findByTestId('keys-cut')).textContent)).toContain('The first 64.0 KiB of 293 KiB');
  expect(asked).toEqual([[null, null]]);
  expect((screen.getByTestId('keys-value-edit') as HTMLButtonElement).disabled, 'it is compared whole').toBe(true);
  await fireEvent.click(screen.getByTestId('keys-all-bytes'));
  await waitFor(() => expect(screen.queryByTestId('keys-cut')).toBeNull());
  expect(asked.at(-1)).toEqual([{ bytes: 0 }, 300_000]);
  expect((screen.getByTestId('keys-value-edit') as HTMLButtonElement).disabled).toBe(false);
});

test('parts come in pages, and the whole of a long one when it is chosen', async () => {
  const asked: unknown[] = [];
  const { context } = fakeApp(
    {
      ...nothingPlanned,
      'cache.keys': () => page(),
      'cache.key': () => key({ kind: 'hash', length: 3 }),
      'cache.value': ({ at }) => {
        asked.push(at);
        if (at !== null && 'field' in at)
          return value({ type: 'one', from: 0, value: text('y'.repeat(5000)), decoded: null }, { kind: 'hash' });
        const fields = (names: string[]) =>
          names.map((n) => ({ name: text(n), value: text('y'.repeat(10), 'text', n === 'long' ? 5000 : 10), expires_at_ms: null }));
        return value(
          { type: 'hash', fields: fields(at === null ? ['a', 'long'] : ['b']), field_ttls: true },
          { next: at === null ? 'c:7' : null },
        );
      },
    },
    { ...there, path: '/cache/keys?key=user%3A1' },
  );
  render(Page, { context });
  expect(plain((await screen.findByTestId('keys-some')).textContent)).toBe('2 of 3 loaded');
  await fireEvent.click(screen.getByTestId('keys-parts-more'));
  await waitFor(() => expect(screen.getAllByTestId('keys-part')).toHaveLength(3));
  await fireEvent.click(screen.getAllByTestId('keys-part')[1]!);
  await waitFor(() => expect(screen.getByTestId('keys-text').textContent).toHaveLength(5000));
  expect(asked).toEqual([null, { next: 'c:7' }, { field: { text: 'long' } }]);
});

/** A string that is edited, with its change on the way through its states. */
function edited(agree: string | null = null) {
  const sent: unknown[] = [];
  let now = change();
  let planned = false;
  const fake = fakeApp(
    {
      ...nothingPlanned,
      'changes.list': () => (planned ? [now] : []),
      'changes.check': () => ({ change: now, guard: null, confirm: null, agree, evidence: [] }),
      'changes.apply': (request) => {
        sent.push(['apply', request]);
        now = change({ state: 'verified', offers: ['undo', 'keep'], updated_ms: AT + 1 });
        return job({ kind: 'change', state: 'done' });
      },
      'changes.undo': (request) => {
        sent.push(['undo', request]);
        now = change({ state: 'undone', offers: [], updated_ms: AT + 2 });
        return job({ kind: 'change', state: 'done' });
      },
      'job.get': () => job({ kind: 'change', state: 'done' }),
      'cache.keys': () => page(),
      'cache.key': () => key(),
      'cache.value': () => string('one'),
      'cache.edit': () => ({ change: now, edit: view() }),
      'cache.plan_edit': ({ edit }) => {
        sent.push(edit);
        planned = true;
        return { detail: { change: now, guard: null, confirm: null, agree, evidence: [] }, edit: view() };
      },
    },
    { ...there, path: '/cache/keys?key=user%3A1' },
  );
  return { ...fake, sent };
}

test('an edit is planned with what was opened, previewed, written by Apply, and undone from its message', async () => {
  const { context, sent } = edited();
  render(Page, { context });
  await screen.findByTestId('keys-content');
  await fireEvent.click(screen.getByTestId('keys-value-edit'));
  await fireEvent.input(screen.getByTestId('keys-edit-value'), { target: { value: 'two' } });
  await fireEvent.click(screen.getByTestId('keys-edit-plan'));
  const whole = plain((await screen.findByTestId('keys-change-whole')).textContent);
  expect(whole).toContain('when you opened it one');
  expect(whole).toContain('yours two');
  expect(sent).toEqual([{ kind: 'set', value: { text: 'two' }, seen: { text: 'one' } }]);
  await waitFor(() => expect((screen.getByTestId('keys-change-apply') as HTMLButtonElement).disabled).toBe(false));
  await fireEvent.click(screen.getByTestId('keys-change-apply'));
  await waitFor(() => expect(screen.getByTestId('keys-change').dataset['state']).toBe('verified'));
  await waitFor(() => expect(toasts.list.at(-1)?.action?.label).toBe('Undo'));
  toasts.list.at(-1)!.action!.run();
  await waitFor(() => expect(screen.getByTestId('keys-change').dataset['state']).toBe('undone'));
  await waitFor(() => expect(toasts.list.at(-1)?.text).toContain('Undone'));
  expect(sent.slice(1).map((one) => (one as [string])[0])).toEqual(['apply', 'undo']);
});

test('what nothing brings back is applied once it was agreed to, from a row that is closed too', async () => {
  const { context, sent } = edited('for good');
  render(Page, { context });
  await screen.findByTestId('keys-content');
  await fireEvent.click(screen.getByTestId('keys-delete'));
  await screen.findByTestId('keys-change-whole');
  await fireEvent.click(screen.getByTestId('keys-change-preview'));
  await waitFor(() => expect(screen.queryByTestId('keys-change-whole')).toBeNull());
  await waitFor(() => expect((screen.getByTestId('keys-change-apply') as HTMLButtonElement).disabled).toBe(false));
  await fireEvent.click(screen.getByTestId('keys-change-apply'));
  const text = await screen.findByTestId<HTMLInputElement>('change-agree-text');
  expect(screen.getByTestId('keys-change-whole').textContent).toContain('undo');
  expect(sent).toEqual([{ kind: 'delete' }]);
  await fireEvent.input(text, { target: { value: 'for good' } });
  await fireEvent.submit(text.form!);
  await waitFor(() => expect(sent.at(-1)).toEqual(['apply', { id: 'c1', confirm: null, agree: 'for good' }]));
});

test('its message undoes it after its screen was left', async () => {
  const { context, sent } = edited();
  const { unmount } = render(Page, { context });
  await screen.findByTestId('keys-content');
  await fireEvent.click(screen.getByTestId('keys-value-edit'));
  await fireEvent.input(screen.getByTestId('keys-edit-value'), { target: { value: 'two' } });
  await fireEvent.click(screen.getByTestId('keys-edit-plan'));
  await waitFor(() => expect((screen.getByTestId('keys-change-apply') as HTMLButtonElement).disabled).toBe(false));
  for (const old of toasts.list) toasts.dismiss(old.id);
  await fireEvent.click(screen.getByTestId('keys-change-apply'));
  await waitFor(() => expect(toasts.list.at(-1)?.action?.label).toBe('Undo'));
  unmount();
  toasts.list.at(-1)!.action!.run();
  await waitFor(() => expect(sent.at(-1)).toEqual(['undo', { id: 'c1', confirm: null, agree: null }]));
});

test('a value that another client wrote is shown beside ours, and only a choice plans ours over it', async () => {
  const edits: unknown[] = [];
  let theirs = 'one';
  const { context } = fakeApp(
    {
      ...nothingPlanned,
      'cache.keys': () => page(),
      'cache.key': () => key(),
      'cache.value': () => string(theirs),
      'cache.plan_edit': ({ edit }) => {
        edits.push(edit);
        throw { ...refusal('Another client wrote it meanwhile'), code: 'conflict' };
      },
    },
    { ...there, path: '/cache/keys?key=user%3A1' },
  );
  render(Page, { context });
  await screen.findByTestId('keys-content');
  await fireEvent.click(screen.getByTestId('keys-value-edit'));
  await fireEvent.input(screen.getByTestId('keys-edit-value'), { target: { value: 'two' } });
  theirs = 'three';
  await fireEvent.click(screen.getByTestId('keys-edit-plan'));
  await screen.findByTestId('keys-conflict');
  const cells = ['hollow', 'solid', 'theirs'].map((name) => screen.getByTestId(`conflict-${name}`).textContent);
  expect(cells).toEqual(['one', 'two', 'three']);
  expect(plain(screen.getByTestId('keys-answer').textContent)).toContain('One edit conflicts');
  await fireEvent.click(screen.getByTestId('conflict-write'));
  await waitFor(() => expect(edits.at(-1)).toEqual({ kind: 'set', value: { text: 'two' }, seen: { text: 'three' } }));
});

test('what was entered and not planned is there again', async () => {
  const handlers = { ...nothingPlanned, 'cache.keys': () => page(), 'cache.key': () => key(), 'cache.value': () => string('one') };
  const open = async (): Promise<HTMLTextAreaElement> => {
    await screen.findByTestId('keys-content');
    await fireEvent.click(screen.getByTestId('keys-value-edit'));
    return screen.getByTestId<HTMLTextAreaElement>('keys-edit-value');
  };
  const first = render(Page, { context: fakeApp(handlers, { ...there, path: '/cache/keys?key=user%3A1' }).context });
  await fireEvent.input(await open(), { target: { value: 'half' } });
  first.unmount();
  render(Page, { context: fakeApp(handlers, { ...there, path: '/cache/keys?key=user%3A1' }).context });
  expect((await open()).value).toBe('half');
});

test('a read-only environment shows keys, edits nothing and says why', async () => {
  const { context } = fakeApp(
    {
      'changes.list': () => [],
      'env.list': () => [summary({ read_only: true })],
      'cache.keys': () => page(),
      'cache.key': () => key(),
      'cache.value': () => string('one'),
    },
    { ...there, path: '/cache/keys?key=user%3A1' },
  );
  render(Page, { context });
  expect((await screen.findByTestId('keys-locked')).textContent).toContain('read-only');
  for (const id of ['keys-expire', 'keys-rename', 'keys-delete'])
    expect((screen.getByTestId(id) as HTMLButtonElement).disabled, id).toBe(true);
});

test('of the cache in this process values are not edited, and the reason is there', async () => {
  const { context } = fakeApp(
    {
      ...nothingPlanned,
      'cache.keys': () => page(),
      'cache.key': () => key({ node: 'in process', ttl: 'unknown', used: 'unknown', encoding: null }),
      'cache.value': () => string('one'),
    },
    { ...there, path: '/cache/keys?key=user%3A1' },
  );
  render(Page, { context });
  expect((await screen.findByTestId('keys-memory')).textContent).toContain('the application writes its values');
  await screen.findByTestId('keys-content');
  const off = (id: string): boolean => (screen.getByTestId(id) as HTMLButtonElement).disabled;
  expect([off('keys-value-edit'), off('keys-rename'), off('keys-expire'), off('keys-delete')]).toEqual([true, true, false, false]);
});

test('an unknown type has its size, its expiry and its dump', async () => {
  const { context } = fakeApp(
    {
      ...nothingPlanned,
      'cache.keys': () => page({ rows: [row('m', { kind: 'vectorset' })] }),
      'cache.key': () => key({ name: { text: 'm' }, kind: 'vectorset', length: null }),
      'cache.value': () => value({ type: 'unknown', dump: { base64: btoa('\x07\xff') } }, { kind: 'vectorset' }),
    },
    { ...there, path: '/cache/keys?key=m' },
  );
  render(Page, { context });
  expect(plain((await screen.findByTestId('keys-unknown')).textContent)).toMatch(/does not know the type vectorset.*07 ff/);
  expect(screen.getByTestId('keys-type-vectorset'), 'and can be filtered by').toBeTruthy();
});

test('a link that only looks says why it lists nothing', async () => {
  const { context } = fakeApp(
    {
      ...nothingPlanned,
      'cache.keys': () => {
        throw { ...refusal("This link only reads, and 'cache.keys' reaches a target", 'Open the URL with full access'), code: 'guarded' };
      },
    },
    there,
  );
  render(Page, { context });
  expect((await screen.findByTestId('keys-failure')).textContent).toContain('This link only reads');
});

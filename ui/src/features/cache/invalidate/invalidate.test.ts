// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { Change, Invalidation, InvalidationPlan, InvalidationPreview, InvalidationSpec } from '../../../backend/types';
import { fakeApp } from '../../../testing/app';
import { change, changeDetail } from '../../../testing/changes';
import { FakeSelection } from '../../../testing/selection.svelte';
import { environment, job, knee } from '../../../testing/values';
import { kneeOf, loadSaid, rowsOf, spreads, takenWords } from './invalidation';
import Panel from './Panel.svelte';
import { WAYS, type Asked, type Way } from './ways';

const plain = (text: string | null | undefined): string => (text ?? '').replaceAll(/[\u2009\u202f\s]+/g, ' ').trim();

const preview = (of: Partial<InvalidationPreview> = {}): InvalidationPreview => ({
  matched: { kind: 'estimate', value: 1_284_100, low: 1_281_700, high: 1_286_500 },
  database_keys: 4_220_000,
  share: 0.304,
  looked_through: 0.4,
  looked_at: 5000,
  bytes: 3_500_000,
  types: { string: 5000 },
  ttl: { never: 10, minute: 500, hour: 4000, day: 490, later: 0 },
  examples: [{ text: 'availability:118:2026-11-24' }],
  oversized: 0,
  oversized_keys: [],
  readers: [],
  extra_loads_per_s: 970,
  extra_loads_bounds: null,
  extra_loads_over_s: 10,
  by: null,
  time_s: 30,
  undo: 'file',
  not_restored: [],
  agree: null,
  ...of,
});
const invalidation = (of: Partial<Invalidation> = {}, row: Partial<Change> = {}): Invalidation => ({
  detail: changeDetail(
    change({
      id: 'c1',
      kind: 'invalidate',
      target: 'cache',
      title: 'Let `availability:*` expire within 30 s',
      statement: 'each key: DUMP, then PEXPIREAT within 30 s if it is unchanged',
      state: 'previewed',
      offers: ['apply', 'discard'],
      ...row,
    }),
  ),
  preview: preview(),
  stage: 'planned',
  paused: false,
  taken: null,
  restored: null,
  undo_until_ms: null,
  undo_over: false,
  ...of,
});
const taken = {
  matched: 10,
  epochs: null,
  removed: 10,
  bytes: 1000,
  gone: 0,
  changed: 0,
  oversized_left: 0,
  oversized_removed: 0,
  sooner: 0,
  failed: [],
  survivors: 0,
  recreated: 0,
  digest: '',
  seconds: 0.2,
};

test('keys are named in every way there is, and what is not complete says what is missing', () => {
  const way = (key: string): Way => WAYS.find((w) => w.key === key)!;
  const asked = (of: Partial<Asked>): Asked => ({ namespace: null, text: '', template: null, ...of });
  expect(way('namespace').of(asked({ namespace: { text: 'a:*' } }))).toEqual({ pattern: { text: 'a:*' } });
  expect(way('namespace').of(asked({}))).toContain('Choose');
  expect(way('pattern').of(asked({ text: 'a*' }))).toEqual({ pattern: { text: 'a*' } });
  expect(way('pattern').of(asked({}))).toContain('pattern');
  expect(way('keys').of(asked({ text: 'a b\r\n\nc\n' }))).toEqual({ keys: [{ text: 'a b' }, { text: 'c' }] });
  expect(way('keys').of(asked({ text: '\n' }))).toContain('one on each line');
  expect(way('user').of(asked({ text: ' 42' }))).toEqual({ user: ' 42' });
  expect(way('user').of(asked({}))).toBe('Enter a user');
  expect(way('tag').of(asked({ text: 'doctor-7' }))).toEqual({ tag: 'doctor-7' });
  expect(way('tag').of(asked({}))).toBe('Enter a tag');
  expect(way('template').of(asked({ text: '7', template: 'order' }))).toEqual({ template: { name: 'order', value: '7' } });
  expect(way('template').of(asked({ text: '', template: 'order' }))).toBe('Enter a value');
  expect(way('template').of(asked({ text: '7' }))).toContain('has no templates');
});

test('a template of the environment is chosen, and the head says what it is filled with', async () => {
  const templates = { user: 'user:{id}:*', order: 'order:{id}' };
  const specs: InvalidationSpec[] = [];
  const { context } = fakeApp({
    'env.get': () => environment({ targets: { ...environment().targets, cache_templates: templates } }),
    'cache.plan_invalidation': ({ spec }) => {
      specs.push(spec);
      return invalidation();
    },
    'cache.invalidation': () => invalidation(),
    'changes.check': () => invalidation().detail,
    'knee.list': () => [],
  });
  render(Panel, { props: { environment: 'shop', namespace: null, held: new FakeSelection(), close: () => undefined }, context });
  await fireEvent.click(screen.getByTestId('invalidate-by-template'));
  const choice = await screen.findByTestId<HTMLSelectElement>('invalidate-template');
  expect(Array.from(choice.options, (o) => o.value)).toEqual(['order', 'user']);
  await fireEvent.change(choice, { target: { value: 'user' } });
  await fireEvent.input(screen.getByTestId('invalidate-text'), { target: { value: '42' } });
  expect(screen.getByRole('heading').textContent).toContain('user 42');
  await fireEvent.click(screen.getByTestId('invalidate-preview'));
  await waitFor(() => expect(specs.map((s) => s.of)).toEqual([{ template: { name: 'user', value: '42' } }]));
});

test('the same loads come at once or spread, whichever is planned', () => {
  const hard = spreads(preview({ extra_loads_per_s: 300 }), false);
  expect(hard).toEqual([
    { soft: false, per_s: 300, over_s: 10 },
    { soft: true, per_s: 100, over_s: 30 },
  ]);
  const soft = spreads(preview({ extra_loads_per_s: 10, extra_loads_over_s: 60 }), true);
  expect(soft).toEqual([
    { soft: true, per_s: 10, over_s: 60 },
    { soft: false, per_s: 60, over_s: 10 },
  ]);
  expect(spreads(preview({ extra_loads_per_s: 0 }), true)).toBeNull();
  expect(spreads(preview({ extra_loads_per_s: null }), true)).toBeNull();
});

test('what comes more is never "0 more", and no time is "0 s"', () => {
  expect(plain(loadSaid(preview()))).toBe('about 970/s more in the first 10 s');
  expect(plain(loadSaid(preview({ extra_loads_per_s: 0 })))).toMatch(/^none more: of 5 000 keys/);
  expect(plain(loadSaid(preview({ extra_loads_per_s: 0.04 })))).toBe('less than 1/s more in the first 10 s');
  expect(plain(loadSaid(preview({ extra_loads_over_s: 30 })))).toBe('about 970/s more in the first 30 s');
  expect(loadSaid(preview({ extra_loads_per_s: null }))).toMatch(/^–/);
  expect(plain(takenWords(taken, true))).toBe('10 keys set to expire of 10 in < 1 s.');
  expect(plain(new Map(rowsOf(preview({ time_s: 0.1 }), true)).get('Takes'))).toBe('< 1 s, then a second scan verifies');
});

test('the knee beside it is the newest of what the cache is filled from', () => {
  const of = (name: string, created_ms: number, rate_per_s: number | null = 100) =>
    knee({ id: name, name, created_ms, rate_per_s, state: rate_per_s === null ? 'unsteady' : 'found' });
  const sql = 'SELECT * FROM slots WHERE id = $1';
  expect(kneeOf([of('GET http://h/slots', 9), of(sql, 1), of(sql, 5), of('SET {key}', 10)])?.created_ms).toBe(5);
  expect(kneeOf([of('GET http://h/slots', 9)])?.name).toBe('GET http://h/slots');
  expect(kneeOf([of(sql, 1, null), of('SET {key}', 10)])).toBeNull();
});

test('keys of a pattern are previewed with the knee of the source, let expire, paused, and undone', async () => {
  const sent: InvalidationPlan[] = [];
  const paused: boolean[] = [];
  let now = invalidation();
  let running = job({ id: 'j1', kind: 'change', state: 'running', title: 'work' });
  const { context, push, calls } = fakeApp(
    {
      'cache.plan_invalidation': (request) => {
        sent.push(request);
        return now;
      },
      'cache.invalidation': () => now,
      'cache.pause_invalidation': (request) => {
        paused.push(request.paused);
        return { ...now, paused: request.paused };
      },
      'changes.check': () => now.detail,
      'changes.apply': () => running,
      'changes.undo': () => running,
      'job.get': () => running,
      'job.list': () => [],
      'knee.list': () => [knee({ name: 'SELECT 1', rate_per_s: 1900, state: 'found' })],
    },
    { path: '/cache' },
  );
  const held = new FakeSelection();
  render(Panel, { props: { environment: 'shop', namespace: null, held, close: () => undefined }, context });
  await fireEvent.click(await screen.findByTestId('invalidate-preview'));
  expect(screen.getByTestId('invalidate-text-error').textContent).toContain('Enter a pattern');
  await fireEvent.input(screen.getByTestId('invalidate-text'), { target: { value: 'availability:*' } });
  await fireEvent.click(screen.getByTestId('invalidate-preview'));
  expect(plain((await screen.findByTestId('invalidate-rows')).textContent)).toContain('1 284 100 ± 2 400 keys, 30.4 % of the database');
  expect(sent[0]?.spec).toMatchObject({ of: { pattern: { text: 'availability:*' } }, soft_s: 30 });
  expect(held.value).toBe('c1');
  await waitFor(() => expect(plain(screen.getByTestId('invalidate-load').textContent)).toContain('Knee 1 900/s'));
  expect(plain(screen.getByTestId('invalidate-load').textContent)).toContain('51.1 % of it');

  await waitFor(() => expect(screen.getByTestId<HTMLButtonElement>('invalidate-apply').disabled).toBe(false));
  await fireEvent.click(screen.getByTestId('invalidate-apply'));
  await fireEvent.click(await screen.findByTestId('invalidate-pause'));
  expect(paused).toEqual([true]);
  expect((await screen.findByTestId('invalidate-pause')).textContent).toBe('Go on');

  running = { ...running, state: 'done' };
  now = invalidation({ stage: 'taken', taken }, { state: 'verified', offers: ['undo'], updated_ms: 2e12 });
  push({ jobs: [running] });
  expect(plain((await screen.findByTestId('invalidate-taken')).textContent)).toContain('10 keys set to expire');
  expect(screen.getByTestId('invalidate').dataset).toMatchObject({ stage: 'taken', state: 'verified' });
  await fireEvent.click(await screen.findByTestId('invalidate-undo'));
  await waitFor(() => expect(calls).toContain('changes.undo'));
});

test('what cannot be undone is listed before it is done', async () => {
  const key = { key: { text: 'export:huge:1' }, bytes: 1.5e6, kind: 'string' };
  const now = invalidation({ preview: preview({ oversized: 60, oversized_keys: Array.from({ length: 50 }, () => key) }) });
  const { context } = fakeApp(
    { 'cache.invalidation': () => now, 'changes.check': () => now.detail, 'knee.list': () => [] },
    { path: '/cache' },
  );
  const held = new FakeSelection();
  held.choose('c1');
  render(Panel, { props: { environment: 'shop', namespace: null, held, close: () => undefined }, context });
  const large = await screen.findByTestId('invalidate-large');
  expect(large.querySelectorAll('li')).toHaveLength(5);
  await fireEvent.click(screen.getByTestId('invalidate-large-all'));
  expect(large.querySelectorAll('li')).toHaveLength(50);
  expect(plain(screen.getByTestId('invalidate-large-all').parentElement?.textContent)).toContain('of 60, the largest');
  expect(await screen.findByTestId('invalidate-knee').then((e) => e.textContent)).toContain('was not measured yet');
});

// @vitest-environment jsdom
import { beforeEach, expect, test } from 'vitest';
import { fakeApp } from '../testing/app';
import { job, run, threshold } from '../testing/values';
import { toasts } from '../kit/toasts.svelte';
import { sayEnds } from './ends';

beforeEach(() => (toasts.list = []));

test('a run that ends while the reader is elsewhere says what failed first, once, with the way to it', async () => {
  const ended = (id: string) => job({ id, state: 'done', result: { kind: 'run', id } });
  const { app, push, address } = fakeApp(
    { 'run.get': ({ id }) => run({ id, name: id, thresholds: id === 'bad' ? [threshold({ ok: false })] : [] }) },
    { path: '/overview' },
  );
  const stop = sayEnds(app);
  push({ jobs: [job({ id: 'bad' }), ended('before')] });
  push({ jobs: [ended('bad'), ended('before')] });
  await expect.poll(() => toasts.list.length).toBe(1);
  push({ jobs: [ended('short'), ended('bad'), ended('before')] });
  await expect
    .poll(() => toasts.list.map((t) => [t.tone, t.text.split(',')[0]]))
    .toEqual([
      ['bad', 'bad ended. Failed: 1 of 1 threshold failed'],
      ['ok', 'short ended. 2\u202f431 requests/s'],
    ]);
  toasts.list[0]?.action?.run();
  expect(address.path).toBe('/benchmarks/bad');
  stop();
});

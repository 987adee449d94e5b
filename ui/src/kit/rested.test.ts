import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Rested } from './rested.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
const rest = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(250));

test('it is asked once the keys rest, for what was entered last', async () => {
  const asked: string[] = [];
  const rested = new Rested(async (q: string) => {
    asked.push(q);
    return `${q}!`;
  });
  for (const q of ['a', 'ab', 'abc']) rested.soon(q);
  expect([rested.stale, rested.answer]).toEqual([true, null]);
  await rest();
  expect([asked, rested.answer, rested.stale]).toEqual([['abc'], 'abc!', false]);
  rested.soon('abcd');
  expect([rested.answer, rested.stale], 'the answer to another question stays, and is stale').toEqual(['abc!', true]);
  rested.soon(null);
  expect(rested.answer, 'what is not complete has none').toBeNull();
});

test('an older answer never takes the place of a newer one, and a failure is taken away by an answer', async () => {
  const answers = new Map<string, { give: (text: string) => void; fail: (error: unknown) => void }>();
  const rested = new Rested((q: string) => new Promise<string>((give, fail) => void answers.set(q, { give, fail })));
  rested.soon('old');
  await rest();
  rested.soon('new');
  await rest();
  answers.get('new')!.fail({ code: 'guarded', message: 'no', hint: null });
  await rest();
  answers.get('old')!.give('of the old one');
  await rest();
  expect([rested.answer, rested.failure?.message]).toEqual([null, 'no']);
  rested.soon('third');
  await rest();
  answers.get('third')!.give('yes');
  await rest();
  expect([rested.answer, rested.failure]).toEqual(['yes', null]);
  rested.soon('last');
  await rest();
  rested.close();
  answers.get('last')!.give('too late');
  await rest();
  expect(rested.answer, 'nobody is shown it any more').toBe('yes');
});

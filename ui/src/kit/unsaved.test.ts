// @vitest-environment jsdom
import { expect, test } from 'vitest';
import { toasts } from './toasts.svelte';
import { Entered, unsaved } from './unsaved.svelte';

/** Whether the browser asks before a reload. */
const asks = (): boolean => !dispatchEvent(new Event('beforeunload', { cancelable: true }));

test('the browser asks before it goes while something is not saved, and only then', () => {
  expect(asks()).toBe(false);
  unsaved.keep('/a', 1);
  unsaved.keep('/b', 2);
  expect(asks()).toBe(true);
  unsaved.drop('/a');
  expect(asks(), 'the other one is still there').toBe(true);
  unsaved.drop('/b');
  expect(asks()).toBe(false);
});

test('what was entered belongs to its route, and stays in memory', () => {
  unsaved.keep('/reports/new shop', { title: 'hunter2' });
  expect(new Entered('/reports/new shop').before).toEqual({ title: 'hunter2' });
  expect(new Entered('/reports/new next').before).toBeUndefined();
  expect(JSON.stringify([{ ...sessionStorage }, { ...localStorage }])).not.toContain('hunter2');
});

test('what was given up can be brought back, also from elsewhere', () => {
  location.hash = '#/e/shop/a';
  unsaved.keep('/a', 'text');
  const entered = new Entered<string>('/a');
  let shown = 0;
  entered.discard('Discarded', () => (shown += 1));
  expect([entered.dirty, asks(), shown]).toEqual([false, false, 0]);
  location.hash = '#/e/shop/b';
  toasts.list.at(-1)?.action?.run();
  expect([new Entered('/a').before, shown, location.hash]).toEqual(['text', 1, '#/e/shop/a']);
});

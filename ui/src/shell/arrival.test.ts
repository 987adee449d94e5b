// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Arrival } from './arrival';

let main: HTMLElement;
let arrival: Arrival;

beforeEach(() => {
  document.body.innerHTML = '<main id="main"><h1>Settings</h1></main>';
  main = document.getElementById('main')!;
  Object.defineProperties(main, { scrollHeight: { value: 900 }, clientHeight: { value: 400 } });
  history.replaceState({ step: 'before' }, '');
  sessionStorage.setItem('perfdeck.scrolled', JSON.stringify([['before', { '#main': 180 }]]));
  arrival = new Arrival(main, () => null);
});
afterEach(() => {
  arrival.end();
  sessionStorage.clear();
});

test('a step back is scrolled as it was left, also when what comes later pushes it back', async () => {
  arrival.arrive('/settings');
  expect(main.scrollTop).toBe(180);
  main.scrollTop = 20;
  await vi.waitFor(() => expect(main.scrollTop).toBe(180));
});

test('who scrolls meanwhile is not scrolled', async () => {
  arrival.arrive('/settings');
  dispatchEvent(new Event('wheel'));
  main.scrollTop = 20;
  await new Promise((done) => setTimeout(done, 60));
  expect(main.scrollTop).toBe(20);
});

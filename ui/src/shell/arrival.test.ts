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
const frames = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i += 1) await new Promise((done) => requestAnimationFrame(done));
};
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
  await frames(3);
  expect(main.scrollTop).toBe(20);
});

test('a step keeps its place when the browser tells late what the screen before it did', () => {
  // Back from another step, whose scrolling to its top is told only now.
  history.replaceState({ step: 'later' }, '');
  arrival.arrive('/reports');
  history.replaceState({ step: 'before' }, '', '#/settings');
  dispatchEvent(new PopStateEvent('popstate'));
  main.scrollTop = 0;
  main.dispatchEvent(new Event('scroll'));
  arrival.arrive('/settings');
  expect(main.scrollTop).toBe(180);
});

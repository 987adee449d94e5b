// @vitest-environment jsdom
import { expect, test, vi } from 'vitest';
import { ChartGroup } from '../charts/group';
import { paused } from '../kit/paused.svelte';
import { growRange, keepRange, showRange } from './range';

const NOW = 1_795_949_000_000;
const make = (): ChartGroup => new ChartGroup(900_000, NOW, false, { now: () => 0, frame: (run) => run(), later: (run) => run() });
function address(text = '') {
  let params = new URLSearchParams(text);
  return {
    path: '/overview',
    /** Another address on the same screen, as a step back makes it. */
    come: (to: string) => {
      params = new URLSearchParams(to);
      dispatchEvent(new Event('hashchange'));
    },
    text: () => params.toString(),
    param: (name: string) => params.get(name),
    setParams: (all: Readonly<Record<string, string | null>>) => {
      for (const [name, value] of Object.entries(all)) {
        if (value === null) params.delete(name);
        else params.set(name, value);
      }
    },
  };
}

test('a range goes into the address and comes back from it', () => {
  vi.useFakeTimers();
  const at = address('open=x');
  const group = make();
  const off = keepRange(at, group, 900_000);
  const settle = (): string => {
    vi.advanceTimersByTime(1000);
    return at.text();
  };
  group.advance(NOW + 1000);
  expect(settle(), 'what is live and usual is not named').toBe('open=x');
  group.setSpan(300_000);
  expect(settle()).toBe('open=x&span=300');
  group.shift(-1);
  expect(settle()).toBe(`open=x&span=300&to=${NOW + 1000 - 150_000}`);
  group.zoom(NOW - 60_000, NOW - 30_000);
  expect(settle()).toBe(`open=x&span=300&to=${NOW - 30_000}&from=${NOW - 60_000}`);
  const again = make();
  showRange(at, again);
  expect([again.zoomed, again.range, again.span]).toEqual([true, { from: NOW - 60_000, to: NOW - 30_000 }, 300_000]);
  group.reset();
  group.setLive(true);
  expect(settle()).toBe('open=x&span=300');
  off();
  group.setSpan(60_000);
  expect(settle(), 'nothing is written once it is left').toBe('open=x&span=300');
  vi.useRealTimers();
});

test('another address on the same screen shows its range, and one that names none is live', () => {
  const at = address('span=300');
  const group = make();
  showRange(at, group);
  const off = keepRange(at, group, 900_000);
  at.come(`from=${NOW - 60_000}&to=${NOW - 30_000}`);
  expect([group.zoomed, group.range, group.span]).toEqual([true, { from: NOW - 60_000, to: NOW - 30_000 }, 300_000]);
  at.come('');
  expect([group.zoomed, group.live, group.span], 'the span stays, the time goes on').toEqual([false, true, 300_000]);
  at.path = '/database';
  at.come('span=60');
  expect(group.span, 'what another screen shows is not ours').toBe(300_000);
  off();
});

test('of a run only the part that was zoomed into is named', () => {
  vi.useFakeTimers();
  const at = address();
  const group = new ChartGroup(60_000, NOW, true, { now: () => 0, frame: (run) => run(), later: (run) => run() });
  const off = keepRange(at, group, null);
  group.setRange(NOW - 60_000, NOW);
  vi.advanceTimersByTime(1000);
  expect(at.text()).toBe('');
  group.zoom(NOW - 40_000, NOW - 20_000);
  vi.advanceTimersByTime(1000);
  expect(at.text()).toBe(`from=${NOW - 40_000}&to=${NOW - 20_000}`);
  at.come('');
  expect(group.zoomed).toBe(false);
  off();
  vi.useRealTimers();
});

test('a range that is none is not shown', () => {
  for (const text of ['span=x', 'span=-5', 'span=99999999999', 'from=5', 'from=9&to=5', 'to=']) {
    const group = make();
    showRange(address(text), group);
    expect(group.live, text).toBe(true);
    expect(group.span, text).toBe(900_000);
  }
});

test('a range grows with the first samples until the usual one is full, unless somebody chooses one', () => {
  vi.useFakeTimers();
  const at = address();
  const group = make();
  let first: number | null = null;
  const off = growRange(group, () => ({ first }), 900_000);
  const end = keepRange(at, group, 900_000);
  group.advance(NOW + 1000);
  expect(group.span, 'nothing is known yet').toBe(900_000);
  first = NOW;
  const spans: number[] = [];
  for (const s of [2, 59, 61, 179, 200, 301, 601, 899]) {
    group.advance(NOW + s * 1000);
    spans.push(group.span / 60_000);
  }
  expect(spans).toEqual([1, 1, 2, 3, 5, 10, 15, 15]);
  vi.advanceTimersByTime(1000);
  expect(at.text(), 'what nobody chose is not named').toBe('');
  first = NOW + 890_000;
  group.advance(NOW + 900_000);
  expect(group.span, 'once full it stays').toBe(900_000);
  off();
  const other = make();
  growRange(other, () => ({ first: NOW }), 900_000);
  other.setSpan(300_000);
  other.advance(NOW + 5000);
  expect(other.span, 'a chosen one is kept').toBe(300_000);
  end();
  vi.useRealTimers();
});

test('a range that is paused is named whole at once, and goes along to screens with lanes until it is live', () => {
  paused.know(['/overview', '/database']);
  const at = address();
  const group = make();
  const off = keepRange(at, group, 900_000);
  group.advance(NOW + 1000);
  expect(paused.within('/database'), 'what is live is not kept').toBe('/database');
  group.setLive(false);
  expect(at.text(), 'another screen may have another usual span').toBe(`span=900&to=${NOW + 1000}`);
  expect(paused.within('/database')).toBe(`/database?span=900&to=${NOW + 1000}`);
  expect(paused.within('/journal'), 'a screen without lanes has no range').toBe('/journal');
  off();
  const [there, other] = [address(paused.within('/database').split('?')[1]), make()];
  there.path = '/database';
  showRange(there, other);
  const end = keepRange(there, other, 300_000);
  expect([other.live, other.range]).toEqual([false, { from: NOW + 1000 - 900_000, to: NOW + 1000 }]);
  other.zoom(NOW - 60_000, NOW - 30_000);
  expect(paused.within('/overview')).toBe(`/overview?span=900&from=${NOW - 60_000}&to=${NOW - 30_000}`);
  other.setLive(true);
  expect(paused.within('/overview'), 'Live ends it').toBe('/overview');
  end();
});

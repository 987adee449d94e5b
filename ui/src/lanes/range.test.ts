import { expect, test, vi } from 'vitest';
import { ChartGroup } from '../charts/group';
import { keepRange, showRange } from './range';

const NOW = 1_795_949_000_000;
const make = (): ChartGroup => new ChartGroup(900_000, NOW, false, { now: () => 0, frame: (run) => run(), later: (run) => run() });
function address(text = '') {
  const params = new URLSearchParams(text);
  return {
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

test('a range that is none is not shown', () => {
  for (const text of ['span=x', 'span=-5', 'span=99999999999', 'from=5', 'from=9&to=5', 'to=']) {
    const group = make();
    showRange(address(text), group);
    expect(group.live, text).toBe(true);
    expect(group.span, text).toBe(900_000);
  }
});

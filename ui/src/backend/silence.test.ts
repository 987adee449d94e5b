import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { frame } from '../testing/frames';
import { refusal } from '../testing/backend';
import { listen } from './silence';
import type { ApiError, Frame } from './types';

type Said = [message: string | null, seconds: number | null];
let hear: (frame: Frame) => void;
let connection: (error: ApiError | null) => void;
let said: Said[];
let frames: number;
let stop: () => void;
const closed = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { hidden: false });
  [said, frames] = [[], 0];
  closed.mockReset();
  stop = listen(
    (onFrame, onState) => {
      [hear, connection] = [onFrame, onState];
      return closed;
    },
    () => (frames += 1),
    (error, silentS) => said.push([error?.message ?? null, silentS === null ? null : Math.round(silentS)]),
  );
});
afterEach(() => {
  stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Seconds go by, with a frame in each of them or with none. */
function seconds(count: number, withFrames: boolean): void {
  for (let s = 0; s < count; s += 1) {
    vi.advanceTimersByTime(1000);
    if (withFrames) hear(frame());
  }
}

test('a connection that stands and brings nothing for five seconds is said, with how long, until a frame comes', () => {
  connection(null);
  seconds(10, true);
  expect(said, 'frames come').toEqual([[null, null]]);
  seconds(4, false);
  expect(said).toHaveLength(1);
  seconds(8, false);
  expect(said[1]).toEqual(['No answer from the engine', 5]);
  expect(said.at(-1)).toEqual(['No answer from the engine', 12]);
  hear(frame());
  expect(said.at(-1), 'it recovers by itself').toEqual([null, null]);
  expect(frames).toBe(11);
  seconds(10, true);
  expect(said.at(-1)).toEqual([null, null]);
});

test('an engine that never answers is said too, and what its transport says of a lost connection stays', () => {
  seconds(6, false);
  expect(said.at(-1)).toEqual(['No answer from the engine', 6]);
  connection(refusal('Perfdeck does not answer'));
  seconds(20, false);
  expect(said.at(-1)).toEqual(['Perfdeck does not answer', null]);
  connection(null);
  seconds(4, false);
  expect(said.at(-1), 'the new one has its time').toEqual([null, null]);
});

test('a window that slept, or that nobody sees, does not blame the engine', () => {
  seconds(3, true);
  vi.stubGlobal('document', { hidden: true });
  seconds(60, false);
  vi.stubGlobal('document', { hidden: false });
  seconds(2, false);
  // The timer of a window that slept comes late, before the frames that wait.
  vi.setSystemTime(Date.now() + 60_000);
  const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
  vi.advanceTimersByTime(1000);
  clock.mockRestore();
  expect(said).toEqual([]);
});

test('once it is left nothing is said any more', () => {
  stop();
  seconds(20, false);
  expect(said).toEqual([]);
  expect(closed).toHaveBeenCalledOnce();
});

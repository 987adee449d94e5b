import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineClock, now } from './time.svelte';

describe('the present', () => {
  beforeEach(() => vi.useFakeTimers({ now: 1_764_000_000_000 }));
  afterEach(() => void vi.useRealTimers());

  it('goes on by itself while nothing arrives', () => {
    const end = now.use();
    const start = now.ms;
    vi.advanceTimersByTime(3000);
    expect(now.ms - start).toBe(3000);
    end();
    vi.advanceTimersByTime(3000);
    expect(now.ms - start).toBe(3000);
  });

  it('moves with the samples only, while they arrive, and by itself again after them', () => {
    const end = now.use();
    const seen = new Set<number>();
    for (let second = 0; second < 5; second += 1) {
      now.beat();
      seen.add(now.ms);
      vi.advanceTimersByTime(500);
      seen.add(now.ms);
      vi.advanceTimersByTime(500);
    }
    expect(seen.size).toBe(5);
    const last = now.ms;
    vi.advanceTimersByTime(2000);
    expect(now.ms).toBeGreaterThan(last);
    end();
  });

  it('needs nobody to look', () => {
    now.beat();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the engine's clock", () => {
  const ENGINE = 1_795_949_000_000;
  beforeEach(() => vi.useFakeTimers({ now: ENGINE + 10_800_000 }));
  afterEach(() => void vi.useRealTimers());

  /** A clock that has heard frames for a while; the browser is three hours ahead of the engine. */
  function heard(): EngineClock {
    const clock = new EngineClock();
    expect(clock.at(), 'before the first frame this machine tells the time').toBe(ENGINE + 10_800_000);
    expect(clock.heard(ENGINE)).toBe(true);
    return clock;
  }
  /** A second goes by; its frame is `lateMs` on its way. */
  const second = (clock: EngineClock, made: number, lateMs = 0): boolean => {
    vi.advanceTimersByTime(1000);
    return clock.heard(made - lateMs);
  };

  it('is that of the first frame, whatever this machine says, and goes on by itself', () => {
    const clock = heard();
    expect(clock.at()).toBe(ENGINE);
    vi.advanceTimersByTime(60_000);
    expect(clock.at()).toBe(ENGINE + 60_000);
  });
  it('is not moved by frames that are a little late, nor by one that is much', () => {
    const clock = heard();
    for (let s = 1; s <= 20; s += 1) expect(second(clock, ENGINE + s * 1000, s === 7 ? 60_000 : (s % 4) * 60)).toBe(false);
    expect(clock.at()).toBe(ENGINE + 20_000);
  });
  it("is moved when the engine's is set forward, and back once frames agree on it", () => {
    const clock = heard();
    expect(second(clock, ENGINE + 601_000)).toBe(true);
    expect(clock.at()).toBe(ENGINE + 601_000);
    const set = [1, 2, 3, 4].map((s) => second(clock, ENGINE + s * 1000));
    expect(set, 'one alone may only be late').toEqual([false, false, false, true]);
    expect(clock.at()).toBe(ENGINE + 4000);
  });
  it('is what the window shows', () => {
    const before = now.set;
    now.heard(ENGINE - 90_000);
    expect([now.ms, now.read(), now.set]).toEqual([ENGINE - 90_000, ENGINE - 90_000, before + 1]);
  });
});

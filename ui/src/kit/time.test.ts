import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { now } from './time.svelte';

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

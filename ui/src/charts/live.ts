// An environment's samples on screen: history at the plot's width, then the stream's deltas.
import { CHANGED, type ChartGroup } from './group';
import { TimeSeries, type RawColumns } from './series';
import type { Frame } from '../backend/types';

/** Where history comes from. */
export type History = (fromMs: number, toMs: number, widthPx: number) => Promise<RawColumns>;

/** The parts of a frame that carry samples. */
export interface Samples {
  at_ms: number;
  t: number[];
  series: Frame['series'];
}

/** History older than this many points of its own resolution is read again while live. */
const STALE_POINTS = 24;

/** Shortest time between two readings that fill a hole before the stream, in milliseconds. */
const HEAL_MS = 10_000;

/** The newest second that can have all of its samples at a time. */
export const wholeSecond = (ms: number): number => Math.floor(ms / 1000) * 1000 - 1000;

export class LiveData {
  readonly data = new TimeSeries();
  /** Why the last history could not be read. */
  error: unknown = null;
  /** Ids seen so far; counts up when one is new. */
  known = 0;
  #history: History | null;
  #group: ChartGroup;
  #wanted = 0;
  #loading = false;
  #loaded: { from: number; to: number; width: number; at: number } | null = null;
  #off: () => void;
  #closed = false;
  #healed = -Infinity;

  /** Without a history only what the stream brings is shown. */
  constructor(group: ChartGroup, history: History | null) {
    this.#group = group;
    this.#history = history;
    this.#off = group.on((what) => {
      if (what & (CHANGED.range | CHANGED.size)) this.load();
    });
  }

  /** Adds a frame's samples. Returns whether there were any. */
  push(frame: Samples): boolean {
    if (frame.t.length > 0) {
      const before = this.data.ids.length;
      const last = this.data.t[this.data.t.length - 1];
      // The stream starts or resumes later than the history ends: the seconds between are in the store.
      const hole = last !== undefined && frame.t[0]! - last > 1500 && this.#loaded !== null;
      this.data.append(frame.t, frame.series as Record<string, (number | null)[]>);
      if (this.data.ids.length !== before) this.known += 1;
      if (hole && this.#group.live && frame.at_ms - this.#healed > HEAL_MS) {
        this.#healed = frame.at_ms;
        this.load(true);
      }
      const { from } = this.#group.range;
      this.data.prune(Math.min(from, frame.at_ms - this.#group.span) - 60_000);
    }
    const newest = frame.t.length > 0 ? frame.t[frame.t.length - 1]! : 0;
    // A second's samples arrive in several frames; the range moves once for it.
    const now = Math.max(newest, wholeSecond(frame.at_ms));
    if (frame.t.length > 0 || now > this.#group.now) this.#group.advance(now);
    const l = this.#loaded;
    if (l && this.#group.live && this.data.stepMs > 1000 && now - l.at > STALE_POINTS * this.data.stepMs) this.load();
    return frame.t.length > 0;
  }

  /** Reads the shown range unless it is there already. */
  load(force = false): void {
    const { from, to } = this.#group.range;
    const width = this.#group.width;
    if (this.#history === null || width <= 1 || this.#closed) return;
    const l = this.#loaded;
    const same = l && !force && l.width === width && Math.abs(l.from - from) < 2000 && Math.abs(l.to - to) < 2000;
    // While live at full resolution the stream itself keeps the range complete.
    const grown =
      l &&
      !force &&
      this.#group.live &&
      this.data.stepMs <= 1000 &&
      l.width === width &&
      from >= l.from - 2000 &&
      to >= l.to &&
      this.data.t.length > 0 &&
      to - from <= l.to - l.from + 2000;
    if (same || grown) return;
    this.#wanted += 1;
    if (!this.#loading) void this.#read(this.#history);
  }

  async #read(history: History): Promise<void> {
    this.#loading = true;
    let done = 0;
    while (done !== this.#wanted && !this.#closed) {
      done = this.#wanted;
      const { from, to } = this.#group.range;
      const width = this.#group.width;
      try {
        const raw = await history(from, to, Math.round(width));
        if (this.#closed) break;
        this.data.replace(raw);
        this.known += 1;
        this.error = null;
        this.#loaded = { from, to, width, at: this.#group.now };
      } catch (error) {
        this.error = error;
      }
      this.#group.mark(CHANGED.data);
    }
    this.#loading = false;
  }

  /** The engine's clock was set: what is held has times of the former one. */
  restart(now: number): void {
    this.data.clear();
    this.#group.setNow(now);
    this.load(true);
  }

  close(): void {
    this.#closed = true;
    this.#off();
  }
}

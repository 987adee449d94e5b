// What lanes share: the range of time, the cursor and the moment to redraw. Plain TypeScript, no framework.

/** What changed since the last call of a listener; a set of bits. */
export const CHANGED = { data: 1, range: 2, cursor: 4, theme: 8, size: 16 } as const;

export interface Event {
  t: number;
  label: string;
}

/** When to run the next flush; replaced in tests. */
export interface Schedule {
  now(): number;
  frame(run: () => void): void;
  later(run: () => void, ms: number): void;
}

const browser: Schedule = {
  now: () => performance.now(),
  frame: (run) => void requestAnimationFrame(run),
  later: (run, ms) => void setTimeout(run, ms),
};

/** Shortest time between two redraws caused by data, in milliseconds: four a second, which is more than anyone reads. */
const DATA_INTERVAL_MS = 250;
/** Shortest range that can be zoomed to. */
const SHORTEST_MS = 5000;

export class ChartGroup {
  /** Width of the plots in CSS pixels. */
  width = 0;
  /** Cursor time, if it is shown. */
  cursor: number | null = null;
  /** Shortest time between two redraws caused by data, in milliseconds. */
  interval = DATA_INTERVAL_MS;
  /** Head of the readout's last column. */
  nowLabel = 'now';
  /** Flags in the ruler. */
  events: Event[] = [];
  /** Whether the span follows the data until they fill the usual one; ends when somebody chooses a range. */
  growing = false;
  #span: number;
  #to: number;
  #now: number;
  #live = true;
  #heard = true;
  #zoom: { from: number; to: number } | null = null;
  #fixed: boolean;
  #listeners = new Set<(what: number) => void>();
  #pending = 0;
  #scheduled = false;
  #flushed = -Infinity;
  #schedule: Schedule;

  /** `fixed` groups show one given range (a run) and do not follow the clock. */
  constructor(spanMs: number, now: number, fixed = false, schedule: Schedule = browser) {
    this.#span = spanMs;
    this.#to = now;
    this.#now = fixed ? 0 : now;
    this.#fixed = fixed;
    this.#live = !fixed;
    this.#schedule = schedule;
  }

  get live(): boolean {
    return this.#live && this.#zoom === null;
  }
  /** Whether samples come; while none do, nothing is of now. */
  get heard(): boolean {
    return this.#heard;
  }
  get zoomed(): boolean {
    return this.#zoom !== null;
  }
  get span(): number {
    return this.#span;
  }
  /** Time of the newest data. */
  get now(): number {
    return this.#now;
  }

  /** End of the shown range as it was chosen, whatever the pixels. */
  get end(): number {
    return this.#zoom?.to ?? (this.#live ? this.#now : this.#to);
  }

  /** The shown range; its end is on a whole pixel, so that columns do not shimmer. */
  get range(): { from: number; to: number } {
    if (this.#zoom) return this.#zoom;
    let to = this.end;
    if (!this.#fixed && this.width > 0) {
      const pixel = this.#span / this.width;
      to = Math.ceil(to / pixel - 1e-6) * pixel;
    }
    return { from: to - this.#span, to };
  }

  on(listener: (what: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks for one flush of all listeners; many calls make one. */
  mark(what: number): void {
    this.#pending |= what;
    if (this.#scheduled) return;
    this.#scheduled = true;
    const wait = what === CHANGED.data ? this.interval - (this.#schedule.now() - this.#flushed) : 0;
    const run = (): void => this.#schedule.frame(() => this.#flush());
    if (wait > 1) this.#schedule.later(run, wait);
    else run();
  }

  #flush(): void {
    const what = this.#pending;
    this.#pending = 0;
    this.#scheduled = false;
    if (what & CHANGED.data) this.#flushed = this.#schedule.now();
    for (const listener of [...this.#listeners]) listener(what);
  }

  /** New data up to `now`; a live range follows. */
  advance(now: number): void {
    if (now > this.#now) this.#now = now;
    this.mark(CHANGED.data);
  }

  /** Whether samples come has changed. */
  setHeard(heard: boolean): void {
    if (heard === this.#heard) return;
    this.#heard = heard;
    this.mark(CHANGED.range);
  }

  /** The clock was set, to an earlier time too. */
  setNow(now: number): void {
    this.#now = now;
    this.mark(CHANGED.range);
  }

  setSpan(ms: number): void {
    this.growing = false;
    this.#span = ms;
    this.#zoom = null;
    this.mark(CHANGED.range);
  }

  /** Another span while it follows the data; nobody has chosen it. */
  grow(ms: number): void {
    if (!this.growing || !this.live || ms === this.#span) return;
    this.#span = ms;
    this.mark(CHANGED.range);
  }

  /** Shows exactly this range, for a run. */
  setRange(from: number, to: number): void {
    this.#span = Math.max(1, to - from);
    this.#to = to;
    this.mark(CHANGED.range);
  }

  /** Shows the range that ends at `to` and stands still. */
  showUntil(to: number): void {
    if (this.#fixed) return;
    this.#zoom = null;
    this.#live = false;
    this.#to = to;
    this.mark(CHANGED.range);
  }

  setLive(live: boolean): void {
    if (this.#fixed) return;
    if (live) this.#zoom = null;
    else if (this.#live && !this.#zoom) this.#to = this.#now;
    this.#live = live;
    this.mark(CHANGED.range);
  }

  zoom(from: number, to: number): void {
    let [a, b] = from < to ? [from, to] : [to, from];
    if (b - a < SHORTEST_MS) {
      const middle = (a + b) / 2;
      [a, b] = [middle - SHORTEST_MS / 2, middle + SHORTEST_MS / 2];
    }
    this.#zoom = { from: a, to: b };
    this.mark(CHANGED.range);
  }

  /** Back from a zoom; then without a cursor. Says whether there was anything to reset. */
  reset(): boolean {
    if (this.#zoom) {
      this.#zoom = null;
      this.mark(CHANGED.range);
      return true;
    }
    if (this.cursor !== null) {
      this.setCursor(null);
      return true;
    }
    return false;
  }

  /** Moves the range by half of it; past the newest data it becomes live again. */
  shift(direction: -1 | 1): void {
    const { from, to } = this.range;
    const by = ((to - from) / 2) * direction;
    if (this.#zoom) {
      this.#zoom = { from: from + by, to: to + by };
    } else if (!this.#fixed) {
      if (to + by >= this.#now) {
        this.#live = true;
      } else {
        this.#live = false;
        this.#to = to + by;
      }
    }
    this.mark(CHANGED.range);
  }

  setCursor(t: number | null): void {
    const snapped = t === null ? null : Math.round(t / 1000) * 1000;
    if (snapped === this.cursor) return;
    this.cursor = snapped;
    this.mark(CHANGED.cursor);
  }

  /** Moves the cursor by whole seconds inside the range; starts at the newest data. */
  moveCursor(seconds: number): void {
    const { from, to } = this.range;
    const start = this.cursor ?? Math.min(this.#now, to);
    this.setCursor(Math.min(to, Math.max(from, start + seconds * 1000)));
  }

  /** Time at a pixel of the plot. */
  timeAt(x: number): number {
    const { from, to } = this.range;
    return from + ((to - from) * x) / Math.max(1, this.width);
  }

  /** Pixel of a time in the plot. */
  xAt(t: number): number {
    const { from, to } = this.range;
    return ((t - from) / (to - from)) * this.width;
  }

  /** Handles a key of the charts; says whether it was one. */
  key(key: string, shift: boolean): boolean {
    const by = shift ? 10 : 1;
    if (key === 'ArrowLeft') this.moveCursor(-by);
    else if (key === 'ArrowRight') this.moveCursor(by);
    else if (key === '[') this.shift(-1);
    else if (key === ']') this.shift(1);
    else if (key === 'Escape') return this.reset();
    else return false;
    return true;
  }
}

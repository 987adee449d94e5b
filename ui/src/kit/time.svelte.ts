// The present by the engine's clock, once a second, for everything that shows an age or a range. The browser may be on another
// machine, or its clock may be wrong: nothing else asks this machine for the time of day.

const SECOND_MS = 1000;
/** How long the timer waits for the stream before it tells the time by itself. */
const PATIENCE_MS = 1500;
/** Difference that the way of a frame makes, in milliseconds: it does not move the clock. */
const JITTER_MS = 250;
/** How long frames have to agree that the engine's clock was set back, in milliseconds: one alone may only have come late. */
const AGREED_MS = 3000;
/** Difference from which the clock counts as set, in milliseconds: what is shown by it is read again. */
const SET_MS = 2000;

/** The engine's clock as this window knows it: its own monotonic one, and how far apart the two are. */
export class EngineClock {
  // Before the first frame this machine's clock has to do.
  #ahead = Date.now() - performance.now();
  #known = false;
  /** Frames that were made earlier than the clock says: since when they come, and the one that was the least late. */
  #behind: { since: number; ahead: number } | null = null;

  /** The present, in milliseconds since the Unix epoch. */
  at(): number {
    return performance.now() + this.#ahead;
  }

  /** A frame has come that was made at `madeMs` by the engine's clock. Says whether that set the clock. */
  heard(madeMs: number): boolean {
    const here = performance.now();
    const ahead = madeMs - here;
    const by = ahead - this.#ahead;
    if (!this.#known) {
      this.#known = true;
      return this.#set(ahead);
    }
    // No frame comes before it was made: one from the future says that the clock was set forward, or that the first ones were late.
    if (by > JITTER_MS) return this.#set(ahead);
    if (by >= -JITTER_MS) {
      this.#behind = null;
      return false;
    }
    this.#behind = { since: this.#behind?.since ?? here, ahead: Math.max(this.#behind?.ahead ?? -Infinity, ahead) };
    return here - this.#behind.since >= AGREED_MS && this.#set(this.#behind.ahead);
  }

  #set(ahead: number): boolean {
    const far = Math.abs(ahead - this.#ahead) > SET_MS;
    this.#ahead = ahead;
    this.#behind = null;
    return far;
  }
}

class Now {
  #clock = new EngineClock();
  ms = $state(this.#clock.at());
  /** Counts up when the clock was set, so that what is shown by it is read again. */
  set = $state(0);
  #timer: ReturnType<typeof setTimeout> | null = null;
  #users = 0;

  /** The present at this moment, without following it. */
  read(): number {
    return this.#clock.at();
  }

  /** Counts a user; the present goes on while there is one. The answer ends the use. */
  use(): () => void {
    this.#users += 1;
    this.ms = this.read();
    if (this.#timer === null) this.#wait(SECOND_MS);
    return () => {
      this.#users -= 1;
      if (this.#users === 0 && this.#timer !== null) {
        clearTimeout(this.#timer);
        this.#timer = null;
      }
    };
  }

  /** A frame has come, made at this time by the engine's clock. */
  heard(madeMs: number): void {
    if (!this.#clock.heard(madeMs)) return;
    this.ms = this.read();
    this.set += 1;
  }

  /**
   * A second's samples have arrived. While they do, the present moves with them and not by itself: one drawing of the
   * window a second instead of two.
   */
  beat(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.ms = this.read();
    this.#wait(PATIENCE_MS);
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => {
      this.ms = this.read();
      this.#wait(SECOND_MS);
    }, ms);
  }
}

export const now = new Now();

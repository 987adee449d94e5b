// The present, once a second, for everything that shows an age.

const SECOND_MS = 1000;
/** How long the timer waits for the stream before it tells the time by itself. */
const PATIENCE_MS = 1500;

class Now {
  ms = $state(Date.now());
  #timer: ReturnType<typeof setTimeout> | null = null;
  #users = 0;

  /** Counts a user; the present goes on while there is one. The answer ends the use. */
  use(): () => void {
    this.#users += 1;
    this.ms = Date.now();
    if (this.#timer === null) this.#wait(SECOND_MS);
    return () => {
      this.#users -= 1;
      if (this.#users === 0 && this.#timer !== null) {
        clearTimeout(this.#timer);
        this.#timer = null;
      }
    };
  }

  /**
   * A second's samples have arrived. While they do, the present moves with them and not by itself: one drawing of the
   * window a second instead of two.
   */
  beat(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.ms = Date.now();
    this.#wait(PATIENCE_MS);
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => {
      this.ms = Date.now();
      this.#wait(SECOND_MS);
    }, ms);
  }
}

export const now = new Now();

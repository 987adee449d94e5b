// The present, once a second, for everything that shows an age.
class Now {
  ms = $state(Date.now());
  #timer: ReturnType<typeof setInterval> | null = null;
  #users = 0;

  /** Counts a user; the timer runs while there is one. The answer ends the use. */
  use(): () => void {
    this.#users += 1;
    this.ms = Date.now();
    this.#timer ??= setInterval(() => (this.ms = Date.now()), 1000);
    return () => {
      this.#users -= 1;
      if (this.#users === 0 && this.#timer !== null) {
        clearInterval(this.#timer);
        this.#timer = null;
      }
    };
  }
}

export const now = new Now();

// The stretch of time that somebody stopped at: it goes along to the other screens with lanes, and to the same screen of another
// environment, until it is live again.

/** Parameters of an address that name a range; a paused one has the last. */
const NAMES = ['span', 'from', 'to'] as const;
export type Range = Readonly<Record<(typeof NAMES)[number], string | null>>;

class Paused {
  /** The range as parameters; empty while what is shown is live. */
  #query = $state('');
  /** Paths of the screens that have lanes. */
  #screens: ReadonlySet<string> = new Set();

  /** Tells which screens have lanes. */
  know(screens: readonly string[]): void {
    this.#screens = new Set(screens);
  }

  /** What a screen with lanes shows now. */
  shows(range: Range): void {
    const named = range.to === null ? [] : NAMES.flatMap((name) => (range[name] === null ? [] : [[name, range[name]]]));
    this.#query = new URLSearchParams(named as [string, string][]).toString();
  }

  /** The path of a screen, with the range where it has lanes. */
  within(path: string): string {
    return this.#query !== '' && this.#screens.has(path) ? `${path}?${this.#query}` : path;
  }
}

export const paused = new Paused();

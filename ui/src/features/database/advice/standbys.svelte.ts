// Environments whose databases follow the one that is looked at: what they read counts too. Chosen once, and kept for the environment.
import { backend } from '../../../backend';
import type { ScreenApp, ScreenEnvironment } from '../../../kit/screen';

const named = (kept: unknown): string[] => (Array.isArray(kept) ? kept.filter((id): id is string => typeof id === 'string') : []);

/** Of an environment, for as long as its desk is shown. */
export class Standbys {
  readonly #app: ScreenApp;
  readonly #environment: string;
  #kept = $state.raw<readonly string[] | null>(null);

  constructor(app: ScreenApp, environment: string) {
    [this.#app, this.#environment] = [app, environment];
    void this.#read();
  }

  /** Environments that can be chosen: the others that have a database. */
  get all(): readonly ScreenEnvironment[] {
    return this.#app.environments.filter((e) => e.id !== this.#environment && e.roles.includes('database'));
  }

  /** Those that are chosen and still there; null until what was kept is read. */
  get chosen(): readonly ScreenEnvironment[] | null {
    const kept = this.#kept;
    return kept === null ? null : this.all.filter((e) => kept.includes(e.id));
  }

  choose(ids: readonly string[]): void {
    this.#kept = ids;
    void backend().then((b) => b.setPreference(this.#key, ids));
  }

  get #key(): string {
    return `standbys.${this.#environment}`;
  }

  async #read(): Promise<void> {
    // What cannot be read was not chosen.
    const kept = await backend()
      .then((b) => b.getPreference(this.#key))
      .catch(() => null);
    this.#kept ??= named(kept);
  }
}

// Preferences of this window: theme and density. Kept by the backend, and where the blocking start script reads them.
import { backend } from '../backend';

export type Theme = 'system' | 'light' | 'dark' | 'contrast';
export type Density = 'normal' | 'compact';

const THEMES: readonly string[] = ['system', 'light', 'dark', 'contrast'];
export const isTheme = (value: unknown): value is Theme => typeof value === 'string' && THEMES.includes(value);
export const isDensity = (value: unknown): value is Density => value === 'normal' || value === 'compact';

/** The theme that `system` means now. */
export function systemTheme(asks: (query: string) => boolean): Exclude<Theme, 'system'> {
  if (asks('(prefers-contrast: more)')) return 'contrast';
  return asks('(prefers-color-scheme: light)') ? 'light' : 'dark';
}

const asks = (query: string): boolean => matchMedia(query).matches;

class Preferences {
  theme = $state<Theme>('system');
  density = $state<Density>('normal');

  /** Reads what was kept, and follows the system while the theme is the system's. */
  async begin(): Promise<void> {
    for (const query of ['(prefers-contrast: more)', '(prefers-color-scheme: light)']) {
      matchMedia(query).addEventListener('change', () => this.#show());
    }
    const b = await backend();
    const [theme, density] = await Promise.all([b.getPreference('theme'), b.getPreference('density')]);
    if (isTheme(theme)) this.theme = theme;
    if (isDensity(density)) this.density = density;
    this.#show();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.#keep('theme', theme);
  }

  setDensity(density: Density): void {
    this.density = density;
    this.#keep('density', density);
  }

  #keep(key: string, value: string): void {
    this.#show();
    // public/boot.js reads it from here before the first paint, in both faces.
    localStorage.setItem(`perfdeck.${key}`, JSON.stringify(value));
    void backend().then((b) => b.setPreference(key, value));
  }

  #show(): void {
    const root = document.documentElement;
    root.dataset['theme'] = this.theme === 'system' ? systemTheme(asks) : this.theme;
    root.dataset['density'] = this.density;
  }
}

export const preferences = new Preferences();

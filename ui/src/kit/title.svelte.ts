// What a screen shows, for the title of the window: tabs and the list of windows tell runs apart by it.
import { visible } from './names';

class ScreenTitle {
  /** The name of what is shown; null where the screen's own name says it. */
  text = $state<string | null>(null);
}
export const screenTitle = new ScreenTitle();

/** Names what is shown while the component lives. To be called while it is made. */
export function nameScreen(text: () => string | null): void {
  $effect(() => {
    const own = text();
    if (own === null) return;
    screenTitle.text = own;
    return () => {
      if (screenTitle.text === own) screenTitle.text = null;
    };
  });
}

/** `nightly, Benchmarks, shop – Perfdeck`. */
export const titled = (screen: string, environment: string | null): string =>
  `${[screenTitle.text, screen, environment].flatMap((part) => (part ? [visible(part)] : [])).join(', ')} – Perfdeck`;

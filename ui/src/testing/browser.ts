// What jsdom lacks and a component needs to be made; drawing is looked at in real browsers.
import { afterEach } from 'vitest';

if (typeof window !== 'undefined') {
  window.matchMedia ??= (media) =>
    ({ media, matches: false, addEventListener: () => undefined, removeEventListener: () => undefined }) as unknown as MediaQueryList;
  window.ResizeObserver ??= class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  };
  Element.prototype.scrollIntoView ??= () => undefined;
  const { cleanup } = await import('@testing-library/svelte');
  afterEach(cleanup);
}

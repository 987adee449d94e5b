// What jsdom lacks and a component needs to be made; drawing is looked at in real browsers.
import { afterEach } from 'vitest';

if (typeof window !== 'undefined') {
  window.matchMedia ??= (media) =>
    ({ media, matches: false, addEventListener: () => undefined, removeEventListener: () => undefined }) as unknown as MediaQueryList;
  // Everything is as wide as a window, and seen once.
  Object.defineProperty(Element.prototype, 'clientWidth', { configurable: true, get: () => 1200 });
  window.ResizeObserver ??= class {
    constructor(private readonly seen: ResizeObserverCallback) {}
    observe(target: Element): void {
      queueMicrotask(() => this.seen([{ target } as ResizeObserverEntry], this));
    }
    unobserve(): void {}
    disconnect(): void {}
  };
  window.IntersectionObserver ??= class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  } as unknown as typeof IntersectionObserver;
  Element.prototype.scrollIntoView ??= () => undefined;
  // A pen that draws nothing; every method of it answers itself.
  const pen: object = new Proxy(() => pen, {
    get: (_, name) => (name === 'measureText' ? () => ({ width: 8 }) : name === Symbol.toPrimitive ? () => 0 : pen),
    set: () => true,
    apply: () => pen,
  });
  window.Path2D ??= function () {
    return pen;
  } as unknown as typeof Path2D;
  HTMLCanvasElement.prototype.getContext = (() => pen) as unknown as HTMLCanvasElement['getContext'];
  const { cleanup, configure } = await import('@testing-library/svelte');
  // Longer than any wait takes: a part of a screen is read when it is first shown, and compilers may run beside it.
  configure({ asyncUtilTimeout: 10_000 });
  const { unsaved } = await import('../kit/unsaved.svelte');
  afterEach(() => {
    cleanup();
    // Each test has a window of its own.
    unsaved.clear();
  });
}

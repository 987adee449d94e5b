// What jsdom lacks and a component needs to be made; drawing is looked at in real browsers.
if (typeof window !== 'undefined') {
  window.matchMedia ??= (media) =>
    ({ media, matches: false, addEventListener: () => undefined, removeEventListener: () => undefined }) as unknown as MediaQueryList;
}
export {};

// uPlot formats numbers with `navigator.language` when it loads and throws where that is no language tag, as in
// WebKitGTK under the C locale. Imported before uPlot.
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en-US', configurable: true });
}
export {};

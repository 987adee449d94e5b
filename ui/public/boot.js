// Runs before everything else: the theme without a flash, and a locale that exists.
(function () {
  var chosen = 'system';
  try {
    chosen = JSON.parse(localStorage.getItem('perfdeck.theme') || '"system"');
  } catch (e) {
    chosen = 'system';
  }
  var system = matchMedia('(prefers-contrast: more)').matches
    ? 'contrast'
    : matchMedia('(prefers-color-scheme: light)').matches
      ? 'light'
      : 'dark';
  document.documentElement.dataset.theme = chosen === 'system' ? system : chosen;
  // A C locale has no number format, and uPlot asks for one when it loads.
  try {
    new Intl.NumberFormat(navigator.language);
  } catch (e) {
    Object.defineProperty(navigator, 'language', { value: 'en-US', configurable: true });
  }
})();

// Runs before everything else: theme and density without a flash, and a locale that exists.
(function () {
  function kept(key, fallback) {
    try {
      return JSON.parse(localStorage.getItem('perfdeck.' + key)) || fallback;
    } catch (e) {
      return fallback;
    }
  }
  var theme = kept('theme', 'system');
  if (['light', 'dark', 'contrast'].indexOf(theme) < 0) {
    theme = matchMedia('(prefers-contrast: more)').matches
      ? 'contrast'
      : matchMedia('(prefers-color-scheme: light)').matches
        ? 'light'
        : 'dark';
  }
  document.documentElement.dataset.theme = theme;
  document.documentElement.dataset.density = kept('density', 'normal');
  // A C locale has no number format, and uPlot asks for one when it loads.
  try {
    new Intl.NumberFormat(navigator.language);
  } catch (e) {
    Object.defineProperty(navigator, 'language', { value: 'en-US', configurable: true });
  }
})();

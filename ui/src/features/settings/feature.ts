// Settings: how it looks, where secrets are kept, the journal.
import { app } from '../../kit/app.svelte';
import { preferences, type Density, type Theme } from '../../kit/preferences.svelte';
import type { Feature } from '../../kit/feature';

const THEMES: readonly [Theme, string][] = [
  ['light', 'light'],
  ['dark', 'dark'],
  ['contrast', 'high contrast'],
  ['system', 'system'],
];
const DENSITIES: readonly Density[] = ['normal', 'compact'];

export const feature: Feature = {
  path: '/settings',
  title: 'Settings',
  rail: { icon: 'sliders', key: ',', line: true },
  commands: () => [
    { name: 'Open the journal', hint: 'what was done', run: () => app.go('/settings?journal') },
    ...THEMES.map(([theme, word]) => ({
      name: `Use the ${word} theme`,
      hint: preferences.theme === theme ? 'in use' : '',
      run: () => preferences.setTheme(theme),
    })),
    ...DENSITIES.map((density) => ({
      name: `Use ${density} density`,
      hint: preferences.density === density ? 'in use' : '',
      run: () => preferences.setDensity(density),
    })),
  ],
  load: () => import('./index.svelte'),
};

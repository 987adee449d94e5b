// Reports that were written.
import { app } from '../../kit/app.svelte';
import type { Feature } from '../../kit/feature';
import { ago } from '../../kit/format';
import { now } from '../../kit/time.svelte';
import { resource } from '../../kit/resource.svelte';
import { NEW, viewOf } from './routes';

export const feature: Feature = {
  path: '/reports',
  title: 'Reports',
  rail: { icon: 'page', key: 'r' },
  jobs: ['report'],
  commands: () => [{ name: 'Write a report', hint: 'one HTML file', also: 'export new', run: () => app.go(NEW) }],
  finds(screen) {
    const reports = resource(screen, 'report.list', () => ({}), ['reports']);
    return () =>
      (reports.value ?? []).map((file) => ({
        id: `report ${file.id}`,
        group: 'Reports',
        name: file.title,
        hint: ago(file.created_ms, now.read()),
        also: `${file.environment_name} ${file.html_path}`,
        run: () => app.go(viewOf(file.id)),
      }));
  },
  load: () => import('./index.svelte'),
};

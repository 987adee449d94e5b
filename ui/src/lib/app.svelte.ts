// The state of the window: which environment, what the stream said last, where we are.
import { backend, columns, rpc, rpcAny, toApiError } from '../backend';
import type { ApiError, EnvironmentSummary, Environment, Finding, Frame, JobStatus, OwnCost, TargetStatus } from '../backend/types';
import type { ScreenApp, ScreenEnvironment, ScreenFrame } from '../charts/app';
import { pathOf } from './routes';

export type Theme = 'system' | 'light' | 'dark' | 'contrast';

export interface Toast {
  id: number;
  text: string;
  action?: { label: string; run: () => void };
}

const screenOf = (e: EnvironmentSummary, full: Environment | null): ScreenEnvironment => ({
  id: e.id,
  name: e.name,
  kind: e.kind,
  apiUrl: full?.targets.api ? full.targets.api.url + full.targets.api.probe_path : null,
  roles: e.targets.map(([role]) => role),
});

class AppState {
  environments = $state.raw<EnvironmentSummary[]>([]);
  currentId = $state<string | null>(null);
  full = $state.raw<Environment | null>(null);
  targets = $state.raw<TargetStatus[]>([]);
  jobs = $state.raw<JobStatus[]>([]);
  own = $state.raw<OwnCost | null>(null);
  findings = $state.raw<Finding[] | null>(null);
  offline = $state.raw<ApiError | null>(null);
  failure = $state.raw<ApiError | null>(null);
  path = $state(pathOf(location.hash));
  theme = $state<Theme>('system');
  toasts = $state<Toast[]>([]);
  desktop = $state(false);
  ready = $state(false);

  private listeners = new Set<(frame: ScreenFrame) => void>();
  private stop: (() => void) | null = null;
  private nextToast = 1;

  current = $derived(this.environments.find((e) => e.id === this.currentId) ?? null);

  async begin(): Promise<void> {
    addEventListener('hashchange', () => (this.path = pathOf(location.hash)));
    const b = await backend();
    this.desktop = b.kind === 'desktop';
    try {
      const theme = await b.getPreference('theme');
      if (theme === 'light' || theme === 'dark' || theme === 'contrast') this.setTheme(theme, false);
      await this.refresh();
      const last = await b.getPreference('environment');
      const wanted = new URLSearchParams(location.hash.split('?')[1] ?? '').get('open');
      if (typeof last === 'string' && wanted === null && this.environments.some((e) => e.id === last)) {
        // The demo is opened on request only; anything else that was open is opened again.
        if (last !== 'demo') await this.open(last, location.hash.length < 3);
        else this.watch();
      } else {
        this.watch();
      }
    } catch (error) {
      this.failure = toApiError(error);
    }
    this.ready = true;
  }

  async refresh(): Promise<void> {
    this.environments = await rpc('env.list', {});
    if (this.currentId && !this.current) this.close();
    else if (this.currentId) this.full = await rpc('env.get', { id: this.currentId });
  }

  /** Makes an environment the current one and watches it. */
  async open(id: string, navigate = true): Promise<void> {
    this.currentId = id;
    this.targets = [];
    this.findings = null;
    this.watch();
    if (navigate) this.go('/overview');
    void backend().then((b) => b.setPreference('environment', id));
    this.targets = await rpc('monitor.start', { environment_id: id }).catch(() => []);
    await this.refresh().catch((error: unknown) => (this.failure = toApiError(error)));
    void this.readFindings();
  }

  close(): void {
    this.currentId = null;
    this.full = null;
    this.targets = [];
    this.findings = null;
    this.watch();
    this.go('/start');
  }

  go(path: string): void {
    location.hash = path;
  }

  setTheme(theme: Theme, save = true): void {
    this.theme = theme;
    const system = matchMedia('(prefers-contrast: more)').matches
      ? 'contrast'
      : matchMedia('(prefers-color-scheme: light)').matches
        ? 'light'
        : 'dark';
    document.documentElement.dataset['theme'] = theme === 'system' ? system : theme;
    // The blocking script at the start reads it from here, in both faces.
    localStorage.setItem('perfdeck.theme', JSON.stringify(theme));
    if (save) void backend().then((b) => b.setPreference('theme', theme));
  }

  toast(text: string, action?: Toast['action']): void {
    const id = this.nextToast++;
    this.toasts = [...this.toasts.slice(-2), action ? { id, text, action } : { id, text }];
    setTimeout(() => this.dismiss(id), 10_000);
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((t) => t.id !== id);
  }

  private watch(): void {
    this.stop?.();
    this.stop = null;
    const id = this.currentId;
    void backend().then((b) => {
      if (id !== this.currentId) return;
      this.stop = b.watch(id, (frame) => this.accept(frame), (error) => (this.offline = error));
    });
  }

  private accept(frame: Frame): void {
    if (frame.environment_id !== null && frame.environment_id !== this.currentId) return;
    if (frame.targets) this.targets = frame.targets;
    if (frame.jobs) this.jobs = frame.jobs;
    if (frame.own) this.own = frame.own;
    if (frame.changed.includes('environments')) void this.refresh().catch(() => undefined);
    if (frame.changed.includes('findings')) void this.readFindings();
    const screen = frame as unknown as ScreenFrame;
    for (const listener of this.listeners) listener(screen);
  }

  private async readFindings(): Promise<void> {
    const id = this.currentId;
    if (id === null) return;
    const found = await rpc('findings.list', { environment_id: id }).catch(() => null);
    if (id === this.currentId && found) this.findings = found;
  }

  /** What the screens with charts see of all this. */
  screens(): ScreenApp {
    const app = this;
    return {
      rpc: (name, params) => rpcAny(name, params),
      columns: (name, params) => columns(name, params),
      get environment() {
        return app.current ? screenOf(app.current, app.full) : null;
      },
      get environments() {
        return app.environments.map((e) => screenOf(e, e.id === app.currentId ? app.full : null));
      },
      get targets() {
        return app.targets;
      },
      get findings() {
        return app.findings;
      },
      onFrame(listener) {
        app.listeners.add(listener);
        return () => app.listeners.delete(listener);
      },
      go: (path) => app.go(path),
      ...(app.desktop ? { openPath: async (path: string) => (await backend()).openPath?.(path) } : {}),
    };
  }
}

export const app = new AppState();

// The state of the window: which environment, what the stream said last, where we are.
import { backend, columns, rpc, toApiError } from '../backend';
import type { ApiError, EnvironmentSummary, Environment, Finding, Frame, JobStatus, OwnCost, TargetStatus } from '../backend/types';
import type { ScreenApp, ScreenEnvironment } from './screen';
import { preferences } from './preferences.svelte';
import { pathOf } from './address';
import { now } from './time.svelte';

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
  path = $state('/start');
  desktop = $state(false);
  ready = $state(false);
  /** What the start screen is asked to show at once. */
  asking = $state<'' | 'file'>('');

  private listeners = new Set<(frame: Frame) => void>();
  private stop: (() => void) | null = null;
  /** Counts up with each watch, so that one overtaken by another does not begin. */
  private watched = 0;
  /** Counts up with each reading of the environments. */
  private listed = 0;

  current = $derived(this.environments.find((e) => e.id === this.currentId) ?? null);

  async begin(): Promise<void> {
    const read = (): void => void (this.path = pathOf(location.hash));
    addEventListener('hashchange', read);
    read();
    const b = await backend();
    this.desktop = b.kind === 'desktop';
    try {
      await preferences.begin();
      await this.refresh();
      const last = await b.getPreference('environment');
      const wanted = new URLSearchParams(location.hash.split('?')[1] ?? '').get('open');
      if (typeof last === 'string' && wanted === null && this.environments.some((e) => e.id === last)) {
        // The demo is opened on request only; anything else that was open is opened again.
        // Not waited for: a target that does not answer must not keep the screen away.
        if (last !== 'demo') void this.open(last, location.hash.length < 3);
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
    const mine = ++this.listed;
    const list = await rpc('env.list', {});
    // Answers may overtake each other; the one that was asked for last is the newest.
    if (mine !== this.listed) return;
    this.environments = list;
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
    const targets = await rpc('monitor.start', { environment_id: id }).catch(() => null);
    // The stream may have said more by now, and the reader may have gone on to another environment.
    if (id !== this.currentId) return;
    if (targets && this.targets.length === 0) this.targets = targets;
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

  private watch(): void {
    this.stop?.();
    this.stop = null;
    const id = this.currentId;
    const mine = ++this.watched;
    void backend().then((b) => {
      if (mine !== this.watched) return;
      this.stop = b.watch(
        id,
        (frame) => this.accept(frame),
        (error) => (this.offline = error),
      );
    });
  }

  private accept(frame: Frame): void {
    if (frame.environment_id !== null && frame.environment_id !== this.currentId) return;
    if (frame.targets) this.targets = frame.targets;
    if (frame.jobs) this.jobs = frame.jobs;
    if (frame.own) this.own = frame.own;
    if (frame.t.length > 0) now.beat();
    if (frame.changed.includes('environments')) void this.refresh().catch(() => undefined);
    if (frame.changed.includes('findings')) void this.readFindings();
    for (const listener of this.listeners) listener(frame);
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
      rpc,
      columns,
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
      get path() {
        return app.path;
      },
      onFrame(listener) {
        app.listeners.add(listener);
        return () => app.listeners.delete(listener);
      },
      go: (path) => app.go(path),
      // A getter: which face this is, is known only after this object was handed out.
      get openPath() {
        return app.desktop ? async (path: string): Promise<void> => (await backend()).openPath?.(path) : undefined;
      },
    };
  }
}

export const app = new AppState();

// The state of the window: which environment, what the stream said last, where we are.
import { backend, columns, rpc, toApiError } from '../backend';
import type { ApiError, EnvironmentSummary, Environment, Finding, Frame, JobStatus, OwnCost, Part, TargetStatus } from '../backend/types';
import type { ScreenApp, ScreenEnvironment } from './screen';
import { preferences } from './preferences.svelte';
import { addressOf, fragmentOf, pathOf, queryOf } from './address';
import { recent } from './recent.svelte';
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
  /** Why nothing is heard of the engine. */
  offline = $state.raw<ApiError | null>(null);
  /** For how many seconds nothing came although the connection stands. */
  silentS = $state<number | null>(null);
  failure = $state.raw<ApiError | null>(null);
  path = $state('/start');
  /** The parameters of the address. */
  private query = $state('');
  desktop = $state(false);
  /** Whether this window may only look. */
  looks = $state(false);
  ready = $state(false);
  /** What the start screen is asked to show at once. */
  asking = $state<'' | 'file'>('');

  /** The address of what was shown before this screen; null where it is the first. */
  private former: string | null = null;
  private listeners = new Set<(frame: Frame) => void>();
  private stop: (() => void) | null = null;
  /** Counts up with each watch, so that one overtaken by another does not begin. */
  private watched = 0;
  /** Counts up with each reading of the environments. */
  private listed = 0;
  /** The newest of them. */
  private listing: Promise<void> = Promise.resolve();

  current = $derived(this.environments.find((e) => e.id === this.currentId) ?? null);

  async begin(): Promise<void> {
    addEventListener('hashchange', (event) => {
      this.passed(event.oldURL);
      this.follow();
    });
    this.path = pathOf(location.hash);
    this.query = queryOf(location.hash).toString();
    const b = await backend();
    this.desktop = b.kind === 'desktop';
    this.looks = b.looks;
    try {
      await preferences.begin();
      await recent.begin();
      await this.refresh();
      const last = await b.getPreference('environment');
      const { environment, path } = addressOf(location.hash);
      // The demo is opened on request only; anything else that was open is opened again.
      const again = typeof last === 'string' && last !== 'demo' && queryOf(location.hash).get('open') === null ? last : null;
      const wanted = environment ?? again;
      if (wanted !== null && this.knows(wanted)) this.arrive(wanted, path === '/start' && environment === null ? '/overview' : path);
      else if (environment !== null) this.lost(environment);
      else this.watch();
    } catch (error) {
      this.failure = toApiError(error);
    }
    this.ready = true;
  }

  /** Remembers where another screen was come from. */
  private passed(url: string): void {
    const hash = `#${url.split('#')[1] ?? ''}`;
    const [from, to] = [pathOf(hash), pathOf(location.hash)];
    if (from.split('/')[1] === to.split('/')[1]) return;
    const query = hash.split('?')[1];
    this.former = `#${fragmentOf(addressOf(hash).environment, from)}${query === undefined ? '' : `?${query}`}`;
  }

  /** Goes to what was shown before this screen, in the environment that it was shown in. */
  back(): void {
    if (this.former === null) this.go(this.currentId === null ? '/start' : '/overview');
    // What is left behind is no step to come back to.
    else location.replace(this.former);
  }

  /** Shows what the address names now: a step back, a link, a pasted text. */
  private follow(): void {
    const { environment, path } = addressOf(location.hash);
    this.path = path;
    this.query = queryOf(location.hash).toString();
    if (environment === this.currentId) return;
    if (environment === null) this.replace(path);
    else if (this.knows(environment)) this.arrive(environment, path);
    else void this.find(environment, path);
  }

  /** It may have been made elsewhere a moment ago. */
  private async find(environment: string, path: string): Promise<void> {
    await this.refresh().catch(() => undefined);
    if (addressOf(location.hash).environment !== environment) return;
    if (this.knows(environment)) this.arrive(environment, path);
    else this.lost(environment);
  }

  /** Shows a path of an environment that the address names already. */
  private arrive(id: string, path: string): void {
    // Who only looks builds nothing.
    if (id !== 'demo' || this.looks) {
      // Not waited for: a target that does not answer must not keep the screen away.
      void this.enter(id, path, true);
      return;
    }
    // The demo is built on the start screen, which comes back here; one that is there already takes no time.
    const query = queryOf(location.hash).toString();
    this.leave();
    location.replace(`#/start?open=demo&to=${encodeURIComponent(query === '' ? path : `${path}?${query}`)}`);
  }

  private knows(id: string): boolean {
    return this.environments.some((e) => e.id === id);
  }

  /** An address of an environment that is not here, such as one that was deleted. */
  private lost(id: string): void {
    this.failure = {
      code: 'not_found',
      message: 'The address names an environment that is not here',
      hint: `It may have been deleted, or belong to another data folder: ${id}`,
      retryable: false,
    };
    this.leave();
    this.replace('/start');
  }

  /** Puts the environment and a path into the address without a step in the history; parameters belong to their path. */
  private replace(to: string): void {
    const [path = '', own] = to.split('?');
    const query = own ?? (pathOf(location.hash) === path ? location.hash.split('?')[1] : undefined);
    history.replaceState(history.state, '', `#${fragmentOf(this.currentId, path)}${query === undefined ? '' : `?${query}`}`);
    this.path = path;
    this.query = query ?? '';
  }

  /** Reads the environments again. */
  refresh(): Promise<void> {
    return (this.listing = this.list(++this.listed));
  }

  private async list(mine: number): Promise<void> {
    const list = await rpc('env.list', {});
    // Answers may overtake each other; the one that was asked for last is the newest, and who was overtaken waits for it.
    if (mine !== this.listed) return this.listing;
    this.environments = list;
    if (this.currentId && !this.current) this.close();
    else if (this.currentId) this.full = await rpc('env.get', { id: this.currentId });
  }

  /**
   * Makes an environment the current one, watches it and goes to a path of it; `null` leaves the reader where they are.
   * With `instead` the address that led here is no step to come back to.
   */
  async open(id: string, to: string | null = '/overview', instead = false): Promise<void> {
    await this.enter(id, to ?? this.path, instead || to === null);
  }

  private async enter(id: string, path: string, inPlace: boolean): Promise<void> {
    this.currentId = id;
    this.failure = null;
    this.full = null;
    this.targets = [];
    this.findings = null;
    this.watch();
    if (inPlace) this.replace(path);
    else this.go(path);
    recent.opened(id);
    void backend().then((b) => b.setPreference('environment', id));
    const targets = await rpc('monitor.start', { environment_id: id }).catch(() => null);
    // The stream may have said more by now, and the reader may have gone on to another environment.
    if (id !== this.currentId) return;
    if (targets && this.targets.length === 0) this.targets = targets;
    await this.refresh().catch((error: unknown) => (this.failure = toApiError(error)));
    void this.readFindings();
  }

  /** No environment is the current one from now on. */
  private leave(): void {
    this.currentId = null;
    this.full = null;
    this.targets = [];
    this.findings = null;
    this.watch();
  }

  close(): void {
    this.leave();
    this.go('/start');
  }

  private setParams(params: Readonly<Record<string, string | null>>): void {
    // The reader has gone on, and the event that says so is still on its way: the parameters would be of another screen.
    const at = addressOf(location.hash);
    if (at.path !== this.path || (at.environment ?? this.currentId) !== this.currentId) return;
    const query = queryOf(location.hash);
    for (const [name, value] of Object.entries(params)) {
      if (value === null) query.delete(name);
      else query.set(name, value);
    }
    this.query = query.toString();
    history.replaceState(history.state, '', `#${fragmentOf(this.currentId, this.path)}${this.query === '' ? '' : `?${this.query}`}`);
  }

  /** The link to a path of the current environment. */
  href(path: string): string {
    return `#${fragmentOf(this.currentId, path)}`;
  }

  go(path: string): void {
    location.hash = this.href(path);
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
        (error, silentS) => ([this.offline, this.silentS] = [error, silentS]),
      );
    });
  }

  private accept(frame: Frame): void {
    now.heard(frame.at_ms);
    if (frame.environment_id !== null && frame.environment_id !== this.currentId) return;
    if (frame.t.length > 0) now.beat();
    for (const part of frame.parts) this.take(part);
    for (const listener of this.listeners) listener(frame);
  }

  private take(part: Part): void {
    switch (part.topic) {
      case 'targets':
        this.targets = part.value;
        break;
      case 'jobs':
        this.jobs = part.value;
        break;
      case 'own':
        this.own = part.value;
        break;
      case 'changed':
        if (part.value.includes('environments')) void this.refresh().catch(() => undefined);
        if (part.value.includes('findings')) void this.readFindings();
        break;
      case 'bench':
        // The screen that shows it listens itself.
        break;
      default:
        // A new topic has to be decided about here.
        part satisfies never;
    }
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
      get heard() {
        return app.offline === null;
      },
      get path() {
        return app.path;
      },
      onFrame(listener) {
        app.listeners.add(listener);
        return () => app.listeners.delete(listener);
      },
      param: (name) => new URLSearchParams(app.query).get(name),
      setParams: (params) => app.setParams(params),
      go: (path) => app.go(path),
      within: (id) => {
        if (id !== null && id !== app.currentId && app.knows(id)) app.arrive(id, app.path);
      },
      // A getter: which face this is, is known only after this object was handed out.
      get openReport() {
        return app.desktop ? async (id: string, folder: boolean): Promise<void> => (await backend()).openReport?.(id, folder) : undefined;
      },
    };
  }
}

export const app = new AppState();

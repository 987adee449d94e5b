// Drafts of environments, and the one that waits for the editor.
import type { AddressInfo, EnvironmentDraft, Guards, PoolSettings, TargetRole } from '../backend/types';

export function emptyDraft(): EnvironmentDraft {
  return {
    name: '',
    kind: 'development',
    targets: {
      database: null,
      database_password: { kind: 'keep' },
      cache: null,
      cache_password: { kind: 'keep' },
      cache_sentinel_password: { kind: 'keep' },
      cache_default_ttl_s: null,
      cache_templates: null,
      api: null,
      api_probe_path: null,
      api_headers: [],
      api_authorization: { kind: 'keep' },
      host: 'local',
      host_secret: { kind: 'keep' },
      frontend: null,
    },
    pool: null,
    guards: null,
  };
}

/** A draft with one target. */
export function draftFor(role: TargetRole, url: string, name = ''): EnvironmentDraft {
  const draft = emptyDraft();
  draft.name = name;
  if (role === 'database' || role === 'cache' || role === 'api' || role === 'host') draft.targets[role] = url;
  return draft;
}

/** A name for an environment at an address: its database or file, else its host. */
export function nameFor(info: AddressInfo): string {
  const { path, hosts, scheme } = info.address;
  const last =
    path
      .split(/[\\/]/)
      .pop()
      ?.replace(/\.(db3?|sqlite3?)$/, '') ?? '';
  if ((scheme === 'sqlite' || info.role === 'database') && last) return last;
  return hosts[0]?.host ?? '';
}

/** `now`, with every value that still is the old default replaced by the new one; what was edited stays. */
export function followDefaults<T extends PoolSettings | Guards>(now: T, before: T, after: T): T {
  const next = { ...now };
  for (const key of Object.keys(after) as (keyof T)[]) if (now[key] === before[key]) next[key] = after[key];
  return next;
}

/** The field that an error is about, and the error without the field's name. */
export function fieldOf(message: string): { field: string; message: string } {
  const found = /^(\w+): (.*)$/s.exec(message);
  if (!found) return { field: '', message };
  const text = found[2] ?? '';
  return { field: found[1] ?? '', message: text.charAt(0).toUpperCase() + text.slice(1) };
}

let waiting: EnvironmentDraft | null = null;

/** Keeps a draft for the editor that opens next. It stays in memory: it may hold a password. */
export function keepDraft(draft: EnvironmentDraft): void {
  waiting = draft;
}

/** The draft that waits, once. */
export function takeDraft(): EnvironmentDraft | null {
  const draft = waiting;
  waiting = null;
  return draft;
}

// Drafts of environments, and the one that waits for the editor.
import type { EnvironmentDraft } from '../backend/types';

export function emptyDraft(): EnvironmentDraft {
  return {
    name: '',
    kind: 'development',
    targets: {
      database: null,
      database_password: { kind: 'keep' },
      cache: null,
      cache_password: { kind: 'keep' },
      cache_default_ttl_s: null,
      api: null,
      api_probe_path: null,
      api_headers: [],
      api_authorization: { kind: 'keep' },
      host: null,
      host_secret: { kind: 'keep' },
      frontend: null,
    },
    pool: null,
    guards: null,
  };
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


export type CachePersistence = { loading: boolean, saved_ms: number | null, changes: number | null, save_ok: boolean | null, saving: boolean, log: boolean | null, log_ok: boolean | null, rewrite_ok: boolean | null, fork_s: number | null, };

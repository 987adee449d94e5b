import type { CacheClientState } from "./CacheClientState";

export type CacheClient = { id: number, node: string, address: string, name: string | null, library: string | null, user: string | null, age_s: number, idle_s: number, database: number, command: string | null, state: CacheClientState, subscriptions: number, queued: number | null, watched: number | null, memory_bytes: number | null, output_bytes: number, commands: number | null, sent_bytes: number | null, ours: boolean, };

import type { CacheClient } from "./CacheClient";
import type { CacheUnknown } from "./CacheUnknown";

export type CacheClients = { at_ms: number, took_s: number, version: string, clients: Array<CacheClient>, connected: number, blocked: number, ours: number, left_out: number, max_clients: number | null, unknown: Array<CacheUnknown>, };

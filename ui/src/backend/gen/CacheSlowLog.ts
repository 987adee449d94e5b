import type { CacheSlowEntry } from "./CacheSlowEntry";
import type { CacheUnknown } from "./CacheUnknown";

export type CacheSlowLog = { at_ms: number, took_s: number, version: string, entries: Array<CacheSlowEntry>, own: number, left_out: number, slower_than_s: number | null, sizes: boolean, unknown: Array<CacheUnknown>, };

import type { CacheHeatMethod } from "./CacheHeatMethod";
import type { CacheHeatNamespace } from "./CacheHeatNamespace";
import type { CacheHotKey } from "./CacheHotKey";
import type { CacheUnknown } from "./CacheUnknown";

export type CacheHeat = { at_ms: number, method: CacheHeatMethod, took_s: number, version: string, sampled: number, ended_by: string | null, namespaces: Array<CacheHeatNamespace>, left_out: number, keys: Array<CacheHotKey>, unknown: Array<CacheUnknown>, };

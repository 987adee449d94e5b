import type { CacheLatencySpike } from "./CacheLatencySpike";

export type CacheLatencyEvent = { node: string, name: string, at_ms: number, latest_s: number, longest_s: number, history: Array<CacheLatencySpike>, };

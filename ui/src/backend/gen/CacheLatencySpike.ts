
export type CacheLatencySpike = { at_ms: number, seconds: number, };

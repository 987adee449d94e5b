
export type CacheHeatMethod = "lfu" | "monitor";

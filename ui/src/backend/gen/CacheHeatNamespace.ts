
export type CacheHeatNamespace = { name: string | null, seen: number, share: number, share_low: number | null, share_high: number | null, mean_counter: number | null, reads_per_s: number | null, writes_per_s: number | null, hit_ratio_at_most: number | null, };

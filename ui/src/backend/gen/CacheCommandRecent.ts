
export type CacheCommandRecent = { calls_per_s: number, mean_s: number | null, share: number, };

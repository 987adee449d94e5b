
export type CacheDatabase = { number: number, keys: number, expires: number, mean_ttl_ms: number | null, };

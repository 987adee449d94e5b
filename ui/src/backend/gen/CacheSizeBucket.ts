
export type CacheSizeBucket = { from: number, keys: number, };

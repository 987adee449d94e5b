export type MapTtlBucket = { from_s: number, to_s: number, keys: number, };

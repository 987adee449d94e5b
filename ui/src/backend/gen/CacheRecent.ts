
export type CacheRecent = { over_s: number, commands_per_s: number, own_per_s: number, hit_ratio: number | null, look_ups_per_s: number, evicted_per_s: number, expired_per_s: number, rejected: number, in_bytes_per_s: number | null, out_bytes_per_s: number | null, busy: number, };

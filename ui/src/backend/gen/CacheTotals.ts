
export type CacheTotals = { since_s: number | null, commands: number | null, hit_ratio: number | null, evicted: number | null, expired: number | null, rejected: number | null, };

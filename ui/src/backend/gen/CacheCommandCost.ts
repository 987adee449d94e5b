import type { CacheCommandRecent } from "./CacheCommandRecent";

export type CacheCommandCost = { name: string, calls: number, seconds: number, share: number, mean_s: number, rejected: number, failed: number, p50_s: number | null, p99_s: number | null, p999_s: number | null, recent: CacheCommandRecent | null, };

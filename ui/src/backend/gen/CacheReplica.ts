
export type CacheReplica = { address: string, state: string, lag_s: number | null, behind_bytes: number | null, };

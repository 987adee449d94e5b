
export type CacheSlowKind = "slow" | "large_request" | "large_reply";


export type CacheUnknown = { part: string, reason: string, grant: string | null, fix: string | null, };


export type CacheErrorCount = { code: string, count: number, };


export type CacheHotKey = { name: string, uses: number, };

export type CacheReader = { name: string, library: string | null, connections: number, };

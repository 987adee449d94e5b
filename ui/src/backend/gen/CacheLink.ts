
export type CacheLink = { address: string, up: boolean, syncing: boolean, silent_s: number | null, };

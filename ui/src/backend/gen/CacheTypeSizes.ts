import type { CacheSizeBucket } from "./CacheSizeBucket";

export type CacheTypeSizes = { of: string, in_bytes: boolean, keys: number, sizes: Array<CacheSizeBucket>, };

import type { CacheBytes } from "./CacheBytes";
export type OversizedKey = { key: CacheBytes, bytes: number, kind: string, };

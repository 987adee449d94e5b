import type { CacheBytes } from "./CacheBytes";
import type { NamespacePart } from "./NamespacePart";
export type InvalidationOf = { "pattern": CacheBytes } | { "namespace": { parts: Array<NamespacePart>, delimiter: string, } } | { "keys": Array<CacheBytes> };

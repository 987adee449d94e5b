import type { CacheBytes } from "./CacheBytes";
export type NamespacePart = { "exact": CacheBytes } | "id" | "any";

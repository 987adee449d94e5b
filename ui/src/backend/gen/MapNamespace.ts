import type { CacheBytes } from "./CacheBytes";
import type { MapCount } from "./MapCount";
import type { MapPart } from "./MapPart";
import type { MapTtl } from "./MapTtl";
import type { MapType } from "./MapType";
export type MapNamespace = { path: string, name: string, label: string, pattern: CacheBytes | null, depth: number, inside: number, keys: MapCount, bytes: MapCount | null, share_of_keys: number, share_of_bytes: number | null, share_of_bytes_error: number | null, bytes_per_key: number | null, without_expiry: MapCount | null, ttl: MapTtl | null, types: Array<MapType>, sampled: number, examples: Array<CacheBytes>, parts: Array<MapPart>, };

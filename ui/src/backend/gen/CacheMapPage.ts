import type { CacheMap } from "./CacheMap";
import type { MapNamespace } from "./MapNamespace";
export type CacheMapPage = { map: CacheMap, within: Array<MapNamespace>, namespaces: Array<MapNamespace>, left_out: number, left_out_keys: number, left_out_bytes: number | null, };

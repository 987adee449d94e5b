import type { MapOrder } from "./MapOrder";
export type CacheMapPart = { environment_id: string, path: string, order: MapOrder, skip: number, most: number | null, depth: number | null, };

import type { MapTtlBucket } from "./MapTtlBucket";
export type MapTtl = { buckets: Array<MapTtlBucket>, median_s: number | null, };

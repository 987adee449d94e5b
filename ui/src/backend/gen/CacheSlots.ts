import type { CacheSlotRange } from "./CacheSlotRange";

export type CacheSlots = { count: number, ranges: Array<CacheSlotRange>, left_out: number, moving: number, };

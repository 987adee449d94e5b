
export type CacheSlotRange = { from: number, to: number, };

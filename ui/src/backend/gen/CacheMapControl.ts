import type { CacheMapOrder } from "./CacheMapOrder";
export type CacheMapControl = { environment_id: string, order: CacheMapOrder, };

import type { CacheHeatMethod } from "./CacheHeatMethod";

export type CacheHeatRequest = { environment_id: string, method: CacheHeatMethod, seconds: number | null, };

import type { CacheCommandCost } from "./CacheCommandCost";
import type { CacheDatabase } from "./CacheDatabase";
import type { CacheDoctor } from "./CacheDoctor";
import type { CacheErrorCount } from "./CacheErrorCount";
import type { CacheLatencyEvent } from "./CacheLatencyEvent";
import type { CacheMemory } from "./CacheMemory";
import type { CacheMode } from "./CacheMode";
import type { CacheNode } from "./CacheNode";
import type { CacheRecent } from "./CacheRecent";
import type { CacheTotals } from "./CacheTotals";
import type { CacheTypeSizes } from "./CacheTypeSizes";
import type { CacheUnknown } from "./CacheUnknown";
import type { HealthCheck } from "./HealthCheck";

export type CacheLook = { at_ms: number, took_s: number, version: string, mode: CacheMode | null, nodes: Array<CacheNode>, memory: CacheMemory, databases: Array<CacheDatabase>, keys: number, expiring: number, sizes: Array<CacheTypeSizes>, recent: CacheRecent | null, totals: CacheTotals, commands: Array<CacheCommandCost>, errors: Array<CacheErrorCount>, latency: Array<CacheLatencyEvent>, doctor: Array<CacheDoctor>, findings: Array<HealthCheck>, unknown: Array<CacheUnknown>, };

import type { CacheLink } from "./CacheLink";
import type { CachePersistence } from "./CachePersistence";
import type { CacheReplica } from "./CacheReplica";
import type { CacheSlots } from "./CacheSlots";

export type CacheNode = { address: string, version: string, role: string, uptime_s: number | null, ping_s: number, used_bytes: number | null, limit_bytes: number | null, keys: number, clients: number | null, max_clients: number | null, blocked: number | null, commands_per_s: number | null, replicas: Array<CacheReplica>, primary: CacheLink | null, persistence: CachePersistence, slots: CacheSlots | null, };

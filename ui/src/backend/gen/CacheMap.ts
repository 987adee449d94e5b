import type { MapDetail } from "./MapDetail";
import type { MapNamespace } from "./MapNamespace";
import type { MapNode } from "./MapNode";
import type { MapPace } from "./MapPace";
import type { MapState } from "./MapState";
export type CacheMap = { id: string, job_id: string, detail: MapDetail, state: MapState, started_ms: number, duration_s: number, progress: number | null, left_s: number | null, server: string | null, keys_read: number, sampled: number, all: MapNamespace | null, exact: boolean, random_sample: boolean, churn: number, used_memory_bytes: number | null, max_memory_bytes: number | null, delimiters: string, namespaces: number, folded: number, pace: MapPace, nodes: Array<MapNode>, notes: Array<string>, };

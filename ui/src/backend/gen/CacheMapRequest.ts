import type { MapDetail } from "./MapDetail";
export type CacheMapRequest = { environment_id: string, detail: MapDetail, no_pace: boolean, replica: boolean, delimiters: string | null, };

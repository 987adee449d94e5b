import type { MapOrder } from "./MapOrder";
export type MapStateRequest = { environment_id: string, path: string | null, order: MapOrder, limit: number, };

import type { MapDetail } from "./MapDetail";
export type MapRequest = { environment_id: string, detail: MapDetail, paced: boolean, replica: boolean, };

import type { NodeFailures } from "./NodeFailures";
export type RestoredKeys = { kept: number, restored: number, there: number, recreated: number, expired: number, lost: number, failed: Array<NodeFailures>, seconds: number, };

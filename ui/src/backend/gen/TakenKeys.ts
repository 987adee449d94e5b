import type { NodeFailures } from "./NodeFailures";
export type TakenKeys = { matched: number, removed: number, bytes: number, gone: number, changed: number, oversized_left: number, oversized_removed: number, sooner: number, failed: Array<NodeFailures>, survivors: number | null, recreated: number | null, digest: string, seconds: number, };

import type { InvalidationOf } from "./InvalidationOf";
export type InvalidationSpec = { of: InvalidationOf, soft_s: number | null, oversized: boolean, without_undo: boolean, paced: boolean, };

import type { CacheBytes } from "./CacheBytes";
import type { CacheReader } from "./CacheReader";
import type { KeyCount } from "./KeyCount";
import type { OversizedKey } from "./OversizedKey";
import type { TtlProfile } from "./TtlProfile";
import type { UndoKept } from "./UndoKept";
export type InvalidationPreview = { matched: KeyCount, database_keys: number, share: number | null, looked_through: number, looked_at: number, bytes: number, types: { [key in string]: number }, ttl: TtlProfile, examples: Array<CacheBytes> | null, oversized: number, oversized_keys: Array<OversizedKey> | null, readers: Array<CacheReader> | null, extra_loads_per_s: number | null, time_s: number | null, undo: UndoKept, not_restored: Array<string>, agree: string | null, };

import type { CacheSlowKind } from "./CacheSlowKind";
import type { CacheWord } from "./CacheWord";

export type CacheSlowEntry = { kind: CacheSlowKind, id: number, node: string, at_ms: number, seconds: number | null, cpu_s: number | null, bytes: number | null, command: string, words: Array<CacheWord>, words_left_out: number, client: string | null, client_name: string | null, };

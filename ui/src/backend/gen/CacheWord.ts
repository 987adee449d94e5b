import type { CacheWordKind } from "./CacheWordKind";

export type CacheWord = { kind: CacheWordKind, text: string, bytes: number, };

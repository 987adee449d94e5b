
export type CacheWordKind = "word" | "key" | "hidden";

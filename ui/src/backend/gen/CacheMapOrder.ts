export type CacheMapOrder = "pause" | "resume" | "gentler" | "stop";

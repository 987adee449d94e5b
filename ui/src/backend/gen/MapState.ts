export type MapState = "running" | "paused" | "finished" | "unfinished";

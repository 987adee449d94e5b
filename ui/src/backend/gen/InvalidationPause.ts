export type InvalidationPause = { id: string, paused: boolean, };

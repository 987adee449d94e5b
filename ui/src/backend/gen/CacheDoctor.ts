
export type CacheDoctor = { node: string, words: string, };

export type MapPace = { paced: boolean, keys_per_s: number, cpu_share: number | null, cpu_limit: number, added_p99_ms: number | null, added_limit_ms: number, halved: number, };

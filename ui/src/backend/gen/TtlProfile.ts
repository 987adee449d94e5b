export type TtlProfile = { never: number, minute: number, hour: number, day: number, later: number, };

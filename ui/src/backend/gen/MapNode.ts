export type MapNode = { address: string, replica: boolean, keys_read: number, keys: number | null, finished: boolean, refused: number, problem: string | null, hint: string | null, };

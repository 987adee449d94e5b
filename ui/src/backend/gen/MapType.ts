export type MapType = { name: string, keys: number, };

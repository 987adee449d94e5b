export type MapPart = { label: string, keys: number, bytes: number | null, };

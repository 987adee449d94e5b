export type NodeFailures = { node: string, keys: number, why: string, };

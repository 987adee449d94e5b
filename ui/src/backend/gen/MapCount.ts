export type MapCount = { "kind": "exact", value: number, } | { "kind": "estimate", value: number, low: number, high: number, } | { "kind": "at_least", value: number, };

export type KeyCount = { "kind": "exact", count: number, } | { "kind": "estimate", count: number, low: number, high: number, } | { "kind": "at_least", count: number, };

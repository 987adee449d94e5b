export type MapOrder = "bytes" | "keys" | "name";


export type CacheClientState = "blocked" | "monitor" | "replica" | "primary" | "subscribed" | "transaction" | "closing" | "normal";

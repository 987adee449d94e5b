export type CacheBytes = { "text": string } | { "base64": string };

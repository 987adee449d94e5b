import type { StoredKnee } from "./StoredKnee"; export type Knee = Omit<StoredKnee, "id" | "name" | "created_ms" | "environment_id" | "slo">;

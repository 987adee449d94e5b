export type InvalidationStage = "planned" | "taking" | "taken" | "undoing" | "undone";

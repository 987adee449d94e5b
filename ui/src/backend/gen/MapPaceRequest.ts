export type MapPaceRequest = { environment_id: string, act: "pause" | "resume" | "gentler", };

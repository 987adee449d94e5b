import type { InvalidationSpec } from "./InvalidationSpec";
export type InvalidationPlan = { environment_id: string, spec: InvalidationSpec, };

import type { ChangeDetail } from "./ChangeDetail";
import type { InvalidationPreview } from "./InvalidationPreview";
import type { InvalidationStage } from "./InvalidationStage";
import type { RestoredKeys } from "./RestoredKeys";
import type { TakenKeys } from "./TakenKeys";
export type Invalidation = { detail: ChangeDetail, preview: InvalidationPreview, stage: InvalidationStage, paused: boolean, taken: TakenKeys | null, restored: RestoredKeys | null, undo_until_ms: number | null, };

// What stands between load and its target.
import type { BenchPreview } from '../backend/types';

/** Whether the guards let load be sent, with what was typed to confirm it; before they were asked nothing is against it. */
export const mayStart = (preview: BenchPreview | null, typed: string): boolean =>
  preview === null ||
  (preview.problem === null && preview.guard === null && (preview.confirm === null || typed.trim() === preview.confirm));

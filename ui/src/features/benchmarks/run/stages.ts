// What a stage of a plan's load is called.
import { duration, format, integer } from '../../../kit/figures';
import type { StageResult } from '../types';

/** Its level, or where it goes from and to. */
export function level(stage: StageResult, open: boolean): string {
  const at = (value: number): string => (open ? format(value, 'per_second') : `${integer(Math.round(value))} connections`);
  return stage.kind === 'ramp' ? `${at(stage.from)} → ${at(stage.to)}` : at(stage.to);
}

/** When it was, from the start of the measured time. */
export const span = (stage: StageResult): string => `${duration(stage.start_s)} – ${duration(stage.start_s + stage.duration_s)}`;

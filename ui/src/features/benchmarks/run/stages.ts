// What a stage of a plan's load is called.
import { plural, setting } from '../../../kit/figures';
import type { StageResult } from '../types';

/** What was asked for, or as far as it came when the run ended within the stage: not finer than a thousandth. */
const told = (value: number): number => Number(value.toFixed(3));

/** Its level, or where it goes from and to. */
export function level(stage: StageResult, open: boolean): string {
  const at = (value: number): string => (open ? setting(told(value), 'per_second') : plural(Math.round(value), 'connection'));
  return stage.kind === 'ramp' ? `${at(stage.from)} → ${at(stage.to)}` : at(stage.to);
}

/** When it was, from the start of the measured time. */
export const span = (stage: StageResult): string => `${setting(stage.start_s)} – ${setting(told(stage.start_s + stage.duration_s))}`;

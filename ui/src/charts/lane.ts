// What a lane shows, as data: used by the lane component, the table behind it and the screens that list lanes.
import type { Unit } from '../kit/figures';
import type { Colour } from './palette';
import type { ScaleSpec } from './scale';

export interface LaneSeries {
  /** Series id, such as `system.cpu.utilization{cpu.mode=user}`. */
  id: string;
  /** Short name in the readout. */
  label: string;
  colour: Colour;
  /** What stands in the readout instead of the newest value, such as a mean. */
  stands?: string;
}

/** A horizontal mark: a threshold (dashed) or a reference (dotted), labelled in words. */
export interface Mark {
  value: number;
  label: string;
  /** Where its label stands: over the line in the plot, or as an axis label in the gutter. */
  at: 'plot' | 'axis';
}

export interface LaneSpec {
  /** Name in test ids and table ids. */
  key: string;
  title: string;
  /** Second line of the gutter: what exactly, per what. */
  what: string;
  unit: Unit;
  kind: 'line' | 'fill' | 'stack' | 'bars';
  /** Height in CSS pixels, a multiple of 4. */
  height: number;
  /** In drawing order from the bottom up. */
  series: LaneSeries[];
  scale: ScaleSpec;
  /** Text of the top axis label when the axis ends at `scale.upTo`, such as `100 max`. */
  topText?: string;
  threshold?: Mark;
  reference?: Mark;
  /** Stretches that are shown but not counted, such as a warm-up; hatched and named. */
  hatched?: { from: number; to: number; label: string }[];
  /** Stretches with a wash under the data, such as the runs of one side. */
  shaded?: { from: number; to: number }[];
  /** Why the lane is empty, such as `needs a SQL database`. */
  empty?: string;
}

/** A target that does not answer any more: what its lanes say. */
export interface Stale {
  /** Time of the last sample. */
  since: number;
  /** Sentence at full contrast. */
  text: string;
}

// Frames for tests.
import type { Frame, Told } from '../backend/frames';
import type { Part } from '../backend/types';

/** A frame by what differs from an empty one; its parts by their topics. */
export type FrameOf = Partial<Omit<Frame, 'parts'>> & { [K in keyof Told]?: Told[K] | null };

/** A delta in which nothing changed but what is given. */
export function frame({ targets = null, jobs = null, bench = null, own = null, changed = null, ...of }: FrameOf = {}): Frame {
  const told: { [K in keyof Told]: Told[K] | null } = { targets, jobs, bench, own, changed };
  const parts = Object.entries(told).flatMap(([topic, value]) => (value === null ? [] : [{ topic, value } as Part]));
  return { ...empty, ...of, parts };
}

const empty: Frame = {
  seq: 1,
  kind: 'delta',
  environment_id: null,
  at_ms: 0,
  t: [],
  series: {},
  parts: [],
};

// Frames for tests.
import type { Frame } from '../backend/types';

/** A delta in which nothing changed but what is given. */
export const frame = (of: Partial<Frame> = {}): Frame => ({
  seq: 1,
  kind: 'delta',
  environment_id: null,
  at_ms: 0,
  t: [],
  series: {},
  targets: null,
  jobs: null,
  bench: null,
  own: null,
  changed: [],
  ...of,
});

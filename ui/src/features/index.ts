// Every feature, in the order of the rail: routes, rail, palette, counts and screens are made of this list.
import type { Feature } from '../kit/feature';
import { feature as alerts } from './alerts/feature';
import { feature as benchmarks } from './benchmarks/feature';
import { feature as cache } from './cache/feature';
import { feature as changes } from './changes/feature';
import { feature as database } from './database/feature';
import { feature as deleted } from './deleted/feature';
import { feature as environment } from './environment/feature';
import { feature as experiments } from './experiments/feature';
import { feature as gateway } from './gateway/feature';
import { feature as metrics } from './metrics/feature';
import { feature as overview } from './overview/feature';
import { feature as reports } from './reports/feature';
import { feature as scorecard } from './scorecard/feature';
import { feature as settings } from './settings/feature';
import { feature as start } from './start/feature';

export const FEATURES: readonly Feature[] = [
  start,
  environment,
  overview,
  database,
  cache,
  gateway,
  benchmarks,
  experiments,
  changes,
  alerts,
  scorecard,
  reports,
  settings,
  metrics,
  deleted,
];

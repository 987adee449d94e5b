// What the rail says beside a screen's name: findings that wait there, or work that runs.
import type { Finding, JobStatus } from '../backend/types';
import type { Count } from '../kit/feature';
import { placeOf } from '../kit/findings';
import { FEATURES } from '../features';
import { featureAt } from './routes';

/**
 * Counts by route; screens with nothing to say are absent. Work that runs comes before what a feature counts itself (`own`),
 * and that before findings.
 */
export function counts(
  findings: readonly Pick<Finding, 'action' | 'target'>[],
  jobs: readonly Pick<JobStatus, 'kind' | 'state'>[],
  own: ReadonlyMap<string, Count> = new Map(),
): Map<string, Count> {
  const found = new Map<string, Count>();
  for (const finding of findings) {
    const path = featureAt(placeOf(finding))?.path;
    if (path === undefined || path === '/start') continue;
    const value = (found.get(path)?.value ?? 0) + 1;
    found.set(path, { value, running: false, words: value === 1 ? '1 finding' : `${value} findings` });
  }
  for (const [path, count] of own) found.set(path, count);
  for (const job of jobs) {
    const path = FEATURES.find((f) => f.jobs?.includes(job.kind))?.path;
    if (job.state !== 'running' || path === undefined) continue;
    const before = found.get(path);
    const value = (before?.running ? before.value : 0) + 1;
    found.set(path, { value, running: true, words: `${value} running` });
  }
  return found;
}

// Work that comes to its end while the reader is elsewhere is told, once, by the feature that it belongs to.
import { partOf } from '../backend/frames';
import type { JobStatus } from '../backend/types';
import type { ScreenApp } from '../kit/screen';
import { toasts } from '../kit/toasts.svelte';
import { FEATURES } from '../features';

/** Until the returned function is called. */
export function sayEnds(app: ScreenApp): () => void {
  /** Jobs that are over; what was over before this window looked is no news. */
  let over: Set<string> | null = null;
  const tell = async (job: JobStatus): Promise<void> => {
    const of = FEATURES.find((f) => f.ended && f.jobs?.includes(job.kind));
    // What cannot be read is no end to tell of: it is in its list all the same.
    const said = await of?.ended?.(app, job).catch(() => null);
    if (said) toasts.say(said);
  };
  return app.onFrame((frame) => {
    const jobs = partOf(frame, 'jobs');
    if (!jobs) return;
    const ended = jobs.filter((job) => job.state !== 'running');
    if (over !== null) for (const job of ended) if (!over.has(job.id)) void tell(job);
    over = new Set(ended.map((job) => job.id));
  });
}

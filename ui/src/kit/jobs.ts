// Following a job to its end, by the stream: nothing is asked again and again.
import { partOf } from '../backend/frames';
import type { JobStatus } from '../backend/types';
import { problem } from './client';
import type { ScreenApp } from './screen';

type Following = Pick<ScreenApp, 'rpc' | 'onFrame'>;

/**
 * Follows a job to its end; `seen` gets each state. Answers null when `stopped` says that nobody waits any more.
 * Throws when the job is no longer known, as after a restart of the engine.
 */
export function follow(
  app: Following,
  first: JobStatus,
  seen: (job: JobStatus) => void,
  stopped: () => boolean,
): Promise<JobStatus | null> {
  return new Promise((done, failed) => {
    let over = false;
    let off = (): void => undefined;
    const end = (then: () => void): void => {
      if (over) return;
      over = true;
      off();
      then();
    };
    const look = (job: JobStatus): void => {
      if (over) return;
      if (stopped()) return end(() => done(null));
      seen(job);
      if (job.state !== 'running') end(() => done(job));
    };
    // What changed before the stream was listened to, and what a frame that was older than the job did not have.
    const ask = (): void =>
      void app.rpc('job.get', { id: first.id }).then(look, (error: unknown) => {
        // Of a lost connection the stream tells when it is back.
        if ((error as { code?: string }).code === 'not_found')
          end(() =>
            failed({ ...problem(error), message: 'The job is no longer known', hint: 'Its result, if it has one, is in the list' }),
          );
      });
    look(first);
    if (over) return;
    off = app.onFrame((frame) => {
      if (stopped()) return end(() => done(null));
      const jobs = partOf(frame, 'jobs');
      if (!jobs) return;
      const job = jobs.find((j) => j.id === first.id);
      if (job) look(job);
      else ask();
    });
    ask();
  });
}

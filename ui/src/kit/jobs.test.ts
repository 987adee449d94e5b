import { expect, test } from 'vitest';
import type { Frame, JobStatus } from '../backend/types';
import { frame } from '../testing/frames';
import { follow } from './jobs';

const job = (state: JobStatus['state'], step = ''): JobStatus =>
  ({ id: 'j1', kind: 'bench', title: '', environment_id: null, state, step, progress: null }) as unknown as JobStatus;

/** An engine that knows one job, and a stream that is pushed by hand. */
function stage(known: () => Promise<JobStatus>) {
  const listeners = new Set<(frame: Frame) => void>();
  return {
    app: {
      rpc: known as never,
      onFrame: (listener: (frame: Frame) => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    push: (jobs: JobStatus[] | null) => listeners.forEach((l) => l(frame({ jobs }))),
    listening: () => listeners.size,
  };
}

test('a job is followed by the stream to its end', async () => {
  const { app, push, listening } = stage(async () => job('running', 'a'));
  const steps: string[] = [];
  const end = follow(
    app,
    job('running'),
    (j) => steps.push(`${j.state} ${j.step}`.trim()),
    () => false,
  );
  await Promise.resolve();
  push(null);
  push([job('running', 'b')]);
  push([job('done', 'c')]);
  push([job('done', 'd')]);
  expect((await end)?.step).toBe('c');
  expect(steps).toEqual(['running', 'running a', 'running b', 'done c']);
  expect(listening(), 'it listens no more').toBe(0);
});

test('a job that ended before the stream was heard is not waited for', async () => {
  const { app } = stage(async () => job('failed'));
  const end = await follow(
    app,
    job('running'),
    () => undefined,
    () => false,
  );
  expect(end?.state).toBe('failed');
});

test('a frame older than the job is no loss, an engine that does not know it is', async () => {
  let known: () => Promise<JobStatus> = async () => job('running');
  const { app, push } = stage(() => known());
  const end = follow(
    app,
    job('running'),
    () => undefined,
    () => false,
  );
  push([]);
  await Promise.resolve();
  known = () => Promise.reject({ code: 'not_found', message: 'There is no such job', hint: null });
  push([]);
  await expect(end).rejects.toMatchObject({ message: 'The job is no longer known' });
});

test('nobody waits any more', async () => {
  let gone = false;
  const { app, push, listening } = stage(async () => job('running'));
  const end = follow(
    app,
    job('running'),
    () => undefined,
    () => gone,
  );
  await Promise.resolve();
  gone = true;
  push(null);
  expect([await end, listening()]).toEqual([null, 0]);
});

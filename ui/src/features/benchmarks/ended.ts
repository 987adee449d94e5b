// How a benchmark ended, for a reader who is elsewhere: what failed comes first.
import { costName } from '../../kit/cost';
import { kneeName, runsOf } from '../../kit/folds';
import type { ScreenApp } from '../../kit/screen';
import type { Said } from '../../kit/toasts.svelte';
import type { JobResult, JobStatus } from '../../backend/types';
import { verdictTone } from './compare/scale';
import { kneeTone } from './knee/scale';
import { pathTo, placeOf } from './routes';
import { sentence } from './words';

/** The result in its own words. */
async function read(app: ScreenApp, result: JobResult): Promise<{ said: Said; label: string } | null> {
  const { kind, id } = result;
  if (kind === 'run') {
    const run = await app.rpc('run.get', { id });
    const { word, text, tone } = sentence(run);
    return { said: { text: `${run.name} ended. ${word ? `${word}: ` : ''}${text}`, tone }, label: 'Show run' };
  }
  if (kind === 'comparison') {
    const c = await app.rpc('comparison.get', { id });
    const runs = (await app.rpc('run.list', { environment_id: c.environment_id })).filter((r) => [...c.runs_a, ...c.runs_b].includes(r.id));
    // A verdict of runs that failed is read with that in mind.
    const { many, amiss } = runsOf({ kind }, runs);
    const tone = amiss ? 'bad' : verdictTone(c.verdict);
    return {
      said: { text: `${c.name} ended. ${amiss ? `${many}, ${amiss}. ` : ''}${c.sentence}`, ...(tone !== 'plain' && { tone }) },
      label: 'Show comparison',
    };
  }
  if (kind === 'knee') {
    const knee = await app.rpc('knee.get', { id });
    return { said: { text: `${kneeName(knee)} ended. ${knee.sentence}`, tone: kneeTone(knee.state) }, label: 'Show knee' };
  }
  if (kind === 'cost') {
    const cost = await app.rpc('cost.get', { id });
    return { said: { text: `${costName(cost)}: ${cost.sentence}` }, label: 'Show cost' };
  }
  return null;
}

/** Nothing where the reader watches it, or is at its result already. */
export async function ended(app: ScreenApp, job: JobStatus): Promise<Said | null> {
  if (job.result === null) return null;
  const to = pathTo(placeOf(job.result));
  const here = (): boolean => app.path === pathTo('live') || app.path === pathTo(`cost/job/${job.id}`) || app.path === to;
  if (here()) return null;
  const found = await read(app, job.result);
  return found === null || here() ? null : { ...found.said, action: { label: found.label, run: () => app.go(to) } };
}

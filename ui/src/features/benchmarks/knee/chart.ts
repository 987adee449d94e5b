// What the chart of a search for the knee shows.
import type { Growth, GrowthMark, GrowthPoint } from '../../../charts/growth';
import { format, integer, plural } from '../../../kit/figures';
import type { StoredKnee } from '../types';
import { kneeScale, limitOf, percentileOf, usl } from './scale';

/** Points of the curve of the law. */
const CURVE = 81;

function capacity(knee: StoredKnee): Growth['level'] {
  if (!knee.capacity) return null;
  const { low, high } = knee.capacity;
  if (low === high) return { low, high, words: `capacity ${format(low, 'per_second')}, measured once` };
  const to = high === null ? 'no known limit' : format(high, 'per_second');
  const how = knee.capacity_measured ? 'lowest and highest measured' : '95\u202f% interval';
  return { low, high, words: `capacity ${format(low, 'per_second')} to ${to}, ${how}` };
}

/** A search as a chart: `chosen` is the step that is pointed at, `step` the connections of the one that runs. */
export function growthOf(knee: StoredKnee, chosen: number | null, step: number | null): Growth {
  const limit = limitOf(knee.slo);
  const { ticks, top, low, high } = kneeScale(knee, limit, step ?? 0);
  const most = ticks[ticks.length - 1]!;
  const fit = knee.usl;
  const curve = Array.from({ length: CURVE }, (_, i) => most ** (i / (CURVE - 1)));
  const points = knee.points.map((p, i): GrowthPoint => {
    const { rate_per_s: rate, latency_ms: ms } = p.figures;
    const about = `${plural(p.step.concurrency, 'connection')}: ${format(rate, 'per_second')}, ${percentileOf(knee.slo)} ${format(ms, 'ms')}, ${p.holds ? 'holds' : 'fails'}`;
    const r = i === chosen ? 5.5 : p.step.phase === 'confirming' ? 4.5 : 3.5;
    return { connections: p.step.concurrency, rate, ms, about, look: p.holds ? 'accent' : 'hollow', r };
  });
  const marks: GrowthMark[] = [];
  if (step !== null) marks.push({ connections: step, words: `${integer(step)} running`, look: 'running' });
  if (knee.concurrency !== null) {
    const at = integer(knee.concurrency);
    marks.push({ connections: knee.concurrency, words: step === null ? `knee at ${at}` : `${at} holds so far`, look: 'found' });
  }
  return {
    label: `Throughput and latency over connections. ${knee.sentence}`,
    most,
    ticks,
    top,
    times: { low, high },
    latency: [percentileOf(knee.slo), 'log scale'],
    points,
    law: fit ? curve.map((n) => [n, usl(fit, n)] as const) : [],
    band: [],
    level: capacity(knee),
    tail: [],
    limit: limit === null ? null : { ms: limit, words: `objective ${knee.slo}` },
    marks,
    signs: [
      { look: 'accent', words: 'holds' },
      { look: 'hollow', words: 'fails' },
      ...(fit ? [{ look: 'law', words: 'fitted scalability law' } as const] : []),
    ],
  };
}

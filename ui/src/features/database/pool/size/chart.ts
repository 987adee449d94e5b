// What the chart of a sizing shows.
import type { PoolSizing } from '../../../../backend/types';
import type { Growth, GrowthPoint, GrowthSign } from '../../../../charts/growth';
import { format, integer, plural } from '../../../../kit/figures';
import { sizeScale } from './scale';

type Cell = PoolSizing['cells'][number];

const about = (c: Cell): string =>
  `${plural(c.connections, 'connection')}, repetition ${integer(c.repetition)}: ${format(c.rate_per_s, 'per_second')}, p99 ${format(c.p99_ms, 'ms')}${c.set_aside ? `; set aside: ${c.set_aside}` : ''}`;

/** A sizing as a chart. */
export function growthOf(found: PoolSizing): Growth {
  const scale = sizeScale(found);
  const chosen = found.recommended?.connections ?? null;
  const points = found.cells.map((c): GrowthPoint => {
    const at = c.connections === chosen;
    const look = c.set_aside !== null ? 'hollow' : at ? 'accent' : 'plain';
    return { connections: c.connections, rate: c.rate_per_s, ms: c.p99_ms, about: about(c), look, r: at ? 4 : 3 };
  });
  const band = found.curve.flatMap((p) => (p.band === null ? [] : [{ connections: p.connections, ...p.band }]));
  const signs: GrowthSign[] = [{ look: 'plain', words: 'a repetition' }];
  if (found.cells.some((c) => c.set_aside)) signs.push({ look: 'hollow', words: 'set aside, not fitted' });
  if (found.curve.length > 0)
    signs.push({ look: 'law', words: found.law?.kind === 'limited' ? 'growth up to a limit, fitted' : 'scalability law, fitted' });
  if (band.length > 1) signs.push({ look: 'band', words: '95\u202f% of redrawn fits' });
  const objective = found.objective_ms;
  return {
    label: `Throughput and p99 over connections. ${found.sentence}.`,
    most: scale.most,
    ticks: found.sizes.map((s) => s.connections),
    top: scale.top,
    times: scale.times,
    latency: ['p99', 'time in the database, log scale'],
    points,
    law: found.curve.map((p) => [p.connections, p.rate_per_s] as const),
    band,
    level: null,
    tail: found.sizes.flatMap((s) => (s.p99_ms === null ? [] : [[s.connections, s.p99_ms] as const])),
    limit: objective === null ? null : { ms: objective, words: `objective ${format(objective, 'ms')}` },
    marks: chosen === null ? [] : [{ connections: chosen, words: `${integer(chosen)} recommended`, look: 'chosen', testid: 'size-chosen' }],
    signs,
  };
}

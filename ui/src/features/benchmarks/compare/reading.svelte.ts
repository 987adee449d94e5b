// What a comparison's page reads beside the comparison: its runs, the seconds of their targets, their response times.
import { problem, type ApiProblem, type Client } from '../../../kit/client';
import type { Heatmap, Run, StoredComparison } from '../types';
import type { Arm, Around } from './around';
import { clockOf, type Clock } from './clock';

/** Runs that are read at the same time. */
const AT_ONCE = 6;

export interface Side {
  run: Run;
  arm: Arm;
}

export class Reading {
  /** The runs that are still there, in the order they ran; null until they are read. */
  runs = $state.raw<readonly Side[] | null>(null);
  around = $state.raw<readonly Around[]>([]);
  maps = $state.raw<readonly { side: Side; map: Heatmap }[]>([]);
  clock = $state.raw<Clock | null>(null);
  /** Whether everything that there is was read. */
  done = $state(false);
  failure = $state.raw<ApiProblem | null>(null);
  #gone = false;

  constructor(client: Client, comparison: StoredComparison) {
    this.#read(client, comparison).catch((error: unknown) => {
      if (!this.#gone) this.failure = problem(error);
    });
  }

  /** Ends it; what is on its way is not taken. */
  close(): void {
    this.#gone = true;
  }

  of(arm: Arm): Run[] {
    return (this.runs ?? []).filter((r) => r.arm === arm).map((r) => r.run);
  }

  async #read(client: Client, c: StoredComparison): Promise<void> {
    const asked = [...c.runs_a.map((id): [string, Arm] => [id, 'a']), ...c.runs_b.map((id): [string, Arm] => [id, 'b'])];
    // A deleted run is left out; the comparison keeps its figures.
    const found = await few(asked, ([id, arm]) =>
      client.rpc('run.get', { id }).then(
        (run): Side => ({ run, arm }),
        () => null,
      ),
    );
    if (this.#gone) return;
    const sides = found.filter((s) => s !== null).sort((x, y) => x.run.started_ms - y.run.started_ms);
    if (sides.length > 0) this.clock = clockOf(sides.map((s) => s.run));
    this.runs = sides;
    const step = this.clock?.stepS ?? 1;
    const rest = await few(sides, async (side) => {
      const { id, duration_s } = side.run;
      const columns = Math.max(1, Math.ceil(duration_s / step));
      const [series, map] = await Promise.allSettled([
        client.columns('run.series', { id, series: null }),
        client.rpc('run.heatmap', { id, columns }),
      ]);
      return { side, series: series.status === 'fulfilled' ? series.value : null, map: map.status === 'fulfilled' ? map.value : null };
    });
    if (this.#gone) return;
    this.around = rest.flatMap(({ side, series }): Around[] => {
      const at = series?.names.indexOf('t') ?? -1;
      if (!series || at < 0) return [];
      const known = (column: ArrayLike<number>): (number | null)[] => Array.from(column, (v) => (Number.isNaN(v) ? null : v));
      const of = new Map(series.names.flatMap((name, i) => (i === at ? [] : [[name, known(series.columns[i]!)] as const])));
      return of.size === 0 ? [] : [{ ...side, t: Array.from(series.columns[at]!), of }];
    });
    this.maps = rest.flatMap(({ side, map }) => (map && map.columns.length > 0 ? [{ side, map }] : []));
    this.done = true;
  }
}

/** Works through a list, a few at a time, in its order. */
async function few<T, R>(list: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let i = 0; i < list.length; i += AT_ONCE) done.push(...(await Promise.all(list.slice(i, i + AT_ONCE).map(work))));
  return done;
}

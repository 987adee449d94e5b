// A benchmark's own figures as time series and lanes: live at ten a second, or a finished run's seconds.
import { Heat } from '../../charts/heat';
import type { LaneSpec } from '../../charts/lane';
import { TimeSeries } from '../../charts/series';
import { format, setting } from '../../kit/figures';
import { fewForPoint } from '../../kit/percentiles';
import type { Tier } from '../../lanes/tiers';
import type { BenchLive, Load, Run } from './types';

/** Series of a benchmark. */
export const IDS = {
  rate: 'bench.rate',
  errors: 'bench.errors',
  p50: 'bench.p50',
  p90: 'bench.p90',
  p99: 'bench.p99',
  inFlight: 'bench.in_flight',
  lag: 'bench.lag',
} as const;

/** Points kept of a live run; a longer one has fewer points a second. */
const LIVE_POINTS = 10_000;

/** Collects live figures of one run; its memory is bounded whatever its length. */
export class LiveBench {
  readonly data: TimeSeries;
  readonly runId: string;
  /** Start of the warm-up. */
  readonly start: number;
  readonly heat: Heat;
  readonly #step: number;
  #errors = 0;
  #at = 0;
  #kept = -Infinity;
  /** The worst since the last point that was kept. */
  #worst: BenchLive | null = null;

  constructor(first: BenchLive) {
    this.runId = first.run_id;
    this.start = first.at_ms - first.elapsed_s * 1000;
    this.#step = Math.max(100, (first.total_s * 1000) / LIVE_POINTS);
    this.data = new TimeSeries(this.#step);
    this.heat = new Heat(this.start);
  }

  push(live: BenchLive): void {
    // While an interval goes on, the figures are those of the last one: no sample.
    if (live.interval_s === null) return;
    this.heat.add(live.at_ms, live.heat);
    const worst = this.#worst;
    this.#worst = worst && (worst.p99_ms ?? 0) > (live.p99_ms ?? 0) ? worst : live;
    if (live.at_ms - this.#kept < this.#step * 0.9) return;
    const seconds = this.#at > 0 ? (live.at_ms - this.#at) / 1000 : 0;
    // Since when the first ones are is not known: the window may have been opened later.
    const errors = seconds > 0 && live.errors >= this.#errors ? (live.errors - this.#errors) / seconds : null;
    [this.#errors, this.#at, this.#kept] = [live.errors, live.at_ms, live.at_ms];
    const tail = this.#worst;
    this.#worst = null;
    this.data.append([live.at_ms], {
      [IDS.rate]: [live.rate_per_s],
      [IDS.errors]: [errors],
      [IDS.p50]: [live.p50_ms],
      [IDS.p90]: [live.p90_ms],
      [IDS.p99]: [tail.p99_ms],
      [IDS.inFlight]: [live.in_flight],
      [IDS.lag]: [live.lag_p99_ms],
    });
  }
}

/** A finished run's seconds. One with too few successful responses for a percentile has none: a gap. */
export function runSeries(run: Run): TimeSeries {
  const data = new TimeSeries(1000);
  data.covers = true;
  const seconds = run.intervals.filter((i) => i.duration_s > 0.05);
  const point = (name: 'p50' | 'p90' | 'p99') => seconds.map((i) => (fewForPoint(i.requests - i.errors, name) ? null : i[name]));
  data.append(
    seconds.map((i) => i.t_ms),
    {
      [IDS.rate]: seconds.map((i) => (i.requests - i.errors) / i.duration_s),
      [IDS.errors]: seconds.map((i) => i.errors / i.duration_s),
      [IDS.p50]: point('p50'),
      [IDS.p90]: point('p90'),
      [IDS.p99]: point('p99'),
    },
  );
  return data;
}

/** The rate that a run's requests can be held against; none where the steps of a scenario are more than its iterations. */
export const askedOf = (run: Run): number | null =>
  run.iterations === null || run.iterations === run.requests ? run.target_rate_per_s : null;

/** Lanes of a benchmark; `live` ones have what only a running one knows. `asked` is the rate of requests asked for. */
export function benchLanes(
  spec: { load: Load; connections: number; varies?: boolean },
  live: boolean,
  hatched: { from: number; to: number; label: string }[] = [],
  asked?: number | null,
): LaneSpec[] {
  const open = spec.load.kind === 'rate';
  const rate = asked === undefined ? (spec.load.kind === 'rate' ? spec.load.rate_per_s : null) : asked;
  const throughput: LaneSpec = {
    key: 'bench-rate',
    title: 'Throughput',
    what: 'succeeded/s',
    unit: 'per_second',
    kind: 'fill',
    height: 60,
    hatched,
    series: [{ id: IDS.rate, label: 'rate', colour: 'ink' }],
    scale: { kind: 'zero', atLeast: rate ? rate * 1.1 : 10 },
  };
  if (rate)
    throughput.reference = {
      value: rate,
      label: `${spec.varies ? format(rate, 'per_second') : setting(rate, 'per_second')} asked for`,
      at: 'plot',
    };
  const lanes: LaneSpec[] = [
    throughput,
    {
      key: 'bench-latency',
      title: 'Response time',
      what: live ? 'last interval' : 'p99 if n ≥ 100',
      unit: 'ms',
      kind: 'line',
      height: 88,
      hatched,
      series: [
        { id: IDS.p50, label: 'p50', colour: 'q50' },
        { id: IDS.p90, label: 'p90', colour: 'q95' },
        { id: IDS.p99, label: 'p99', colour: 'q99' },
      ],
      scale: { kind: 'log' },
    },
    {
      key: 'bench-errors',
      title: 'Errors',
      what: 'per second',
      unit: 'per_second',
      kind: 'bars',
      height: 36,
      hatched,
      series: [{ id: IDS.errors, label: 'failed', colour: 'bad' }],
      scale: { kind: 'zero', atLeast: 5 },
    },
  ];
  if (live) {
    lanes.push({
      key: 'bench-in-flight',
      title: 'In flight',
      what: 'requests',
      unit: 'count',
      kind: 'line',
      height: 36,
      hatched,
      series: [{ id: IDS.inFlight, label: 'in flight', colour: 'ink' }],
      scale: { kind: 'zero', atLeast: spec.connections },
    });
    if (open)
      lanes.push({
        key: 'bench-lag',
        title: 'Schedule lag',
        what: 'p99, last interval',
        unit: 'ms',
        kind: 'line',
        height: 36,
        hatched,
        series: [{ id: IDS.lag, label: 'lag p99', colour: 'ink' }],
        scale: { kind: 'zero', atLeast: 2 },
      });
  }
  return lanes;
}

/** Lanes of the environment that are shown beneath a benchmark. */
export const BENEATH = ['cpu', 'connections', 'transactions', 'waits', 'operations', 'hit-ratio'] as const;

/** What the probe of an API was answered; a run's page shows it where it has nothing else of a target. */
const STATUS: LaneSpec = {
  key: 'probe-status',
  title: 'Probe status',
  what: 'HTTP status',
  unit: 'count',
  kind: 'line',
  height: 36,
  series: [{ id: 'api.probe.status', label: 'status', colour: 'ink' }],
  scale: { kind: 'zero', atLeast: 500 },
};

/**
 * The lanes of a finished run's environment: of each target the usual ones that have samples, of one that has none of them all
 * that was stored. `more` names lanes that are shown wherever they have samples.
 */
export function storedLanes(all: readonly Tier[], has: (id: string) => boolean, more: readonly string[]): LaneSpec[] {
  const there = (lane: LaneSpec): boolean => lane.series.some((s) => has(s.id));
  const wanted = new Set<string>([...BENEATH, ...more]);
  return all.flatMap((tier) => {
    const stored = [...tier.lanes, ...(tier.role === 'api' ? [STATUS] : [])].filter(there);
    const usual = stored.some((lane) => (BENEATH as readonly string[]).includes(lane.key));
    return usual ? stored.filter((lane) => wanted.has(lane.key)) : stored;
  });
}

// A benchmark's own figures as time series and lanes: live at ten a second, or a finished run's seconds.
import type { LaneSpec } from '../../charts/lane';
import { TimeSeries } from '../../charts/series';
import { format } from '../../charts/format';
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

/** Collects live figures; ten a second for hours stays within the series' bound. */
export class LiveBench {
  readonly data = new TimeSeries(100);
  /** Start of the warm-up, once known. */
  start: number | null = null;
  #errors = 0;
  #at = 0;

  push(live: BenchLive): void {
    this.start ??= live.at_ms - live.elapsed_s * 1000;
    const seconds = this.#at > 0 ? (live.at_ms - this.#at) / 1000 : 0;
    const errors = seconds > 0 && live.errors >= this.#errors ? (live.errors - this.#errors) / seconds : 0;
    this.#errors = live.errors;
    this.#at = live.at_ms;
    this.data.append([live.at_ms], {
      [IDS.rate]: [live.rate_per_s],
      [IDS.errors]: [errors],
      [IDS.p50]: [live.p50_ms],
      [IDS.p90]: [live.p90_ms],
      [IDS.p99]: [live.p99_ms],
      [IDS.inFlight]: [live.in_flight],
      [IDS.lag]: [live.lag_p99_ms],
    });
  }
}

/** A finished run's seconds. A second without successful responses has no percentiles: a gap. */
export function runSeries(run: Run): TimeSeries {
  const data = new TimeSeries(1000);
  const seconds = run.intervals.filter((i) => i.duration_s > 0.05);
  data.append(
    seconds.map((i) => i.t_ms),
    {
      [IDS.rate]: seconds.map((i) => (i.requests - i.errors) / i.duration_s),
      [IDS.errors]: seconds.map((i) => i.errors / i.duration_s),
      [IDS.p50]: seconds.map((i) => i.p50),
      [IDS.p90]: seconds.map((i) => i.p90),
      [IDS.p99]: seconds.map((i) => i.p99),
    },
  );
  return data;
}

/** Lanes of a benchmark; `live` ones have what only a running one knows. */
export function benchLanes(spec: { load: Load; connections: number }, live: boolean, warmup?: { from: number; to: number }): LaneSpec[] {
  const hatched = warmup && warmup.to > warmup.from ? [{ ...warmup, label: 'warm-up, not counted' }] : [];
  const rate = spec.load.kind === 'rate' ? spec.load.rate_per_s : undefined;
  const throughput: LaneSpec = {
    key: 'bench-rate',
    title: 'Throughput',
    what: 'succeeded',
    unit: 'per_second',
    kind: 'fill',
    height: 60,
    hatched,
    series: [{ id: IDS.rate, label: 'rate', colour: 'ink' }],
    scale: { kind: 'zero', atLeast: rate ? rate * 1.1 : 10 },
  };
  if (rate) throughput.reference = { value: rate, label: `${format(rate, 'per_second')} asked for`, at: 'plot' };
  const lanes: LaneSpec[] = [
    throughput,
    {
      key: 'bench-latency',
      title: 'Response time',
      what: live ? 'last interval' : '1 s intervals',
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
    if (rate)
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

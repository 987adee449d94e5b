// The wire types this screen uses, in one place.
export type {
  BenchLive,
  HttpBenchSpec,
  Interval,
  JobStatus,
  LatencyMs,
  Load,
  Method,
  MetricComparison,
  Percentile,
  ReportFile,
  Run,
  RunState,
  RunSummary,
  StoredComparison,
} from '../../backend/types';

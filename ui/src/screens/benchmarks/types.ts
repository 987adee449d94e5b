// The wire types this screen uses, in one place.
export type {
  BenchLive,
  HttpBenchSpec,
  Interval,
  JobStatus,
  LatencyMs,
  Load,
  Method,
  Percentile,
  ReportFile,
  Run,
  RunState,
  RunSummary,
} from '../../backend/types';

// Generated from the command registry; do not edit. `cargo xtask bindings` renews it.
import type { Columns } from "../columns";
import type { AddressInfo, AppInfo, BenchPreview, BenchRequest, ByEnvironment, ById, ByKind, ConnectionReport, Deleted, Dotenv, Empty, EnvCreate, EnvDuplicate, EnvUnlock, EnvUpdate, Environment, EnvironmentDraft, EnvironmentSummary, Finding, FoundService, HistoryRequest, JobStatus, KindDefaults, MetricInfo, Passphrase, ReportContent, ReportFile, ReportRequest, Run, RunList, RunRename, RunSeries, RunSummary, RunningBench, RunningStatement, SecretsStatus, SeriesInfo, TargetStatus, TestDraft, Text } from "./index";

export interface Commands {
  "app.info": { req: Empty; res: AppInfo };
  "env.list": { req: Empty; res: Array<EnvironmentSummary> };
  "env.get": { req: ById; res: Environment };
  "env.draft": { req: ById; res: EnvironmentDraft };
  "env.defaults": { req: ByKind; res: KindDefaults };
  "env.create": { req: EnvCreate; res: Environment };
  "env.update": { req: EnvUpdate; res: Environment };
  "env.duplicate": { req: EnvDuplicate; res: Environment };
  "env.delete": { req: ById; res: Deleted };
  "env.restore": { req: ById; res: Environment };
  "env.unlock": { req: EnvUnlock; res: number };
  "env.lock": { req: ById; res: boolean };
  "env.test": { req: ById; res: Array<ConnectionReport> };
  "env.test_draft": { req: TestDraft; res: Array<ConnectionReport> };
  "env.from_dotenv": { req: Dotenv; res: EnvironmentDraft };
  "address.parse": { req: Text; res: AddressInfo };
  "discover.services": { req: Empty; res: Array<FoundService> };
  "demo.open": { req: Empty; res: JobStatus };
  "monitor.start": { req: ByEnvironment; res: Array<TargetStatus> };
  "monitor.catalogue": { req: Empty; res: Array<MetricInfo> };
  "monitor.series": { req: ByEnvironment; res: Array<SeriesInfo> };
  "monitor.targets": { req: ByEnvironment; res: Array<TargetStatus> };
  "monitor.history": { req: HistoryRequest; res: Columns };
  "findings.list": { req: ByEnvironment; res: Array<Finding> };
  "db.activity": { req: ByEnvironment; res: Array<RunningStatement> };
  "bench.preview": { req: BenchRequest; res: BenchPreview };
  "bench.start": { req: BenchRequest; res: JobStatus };
  "bench.running": { req: Empty; res: RunningBench | null };
  "run.list": { req: RunList; res: Array<RunSummary> };
  "run.get": { req: ById; res: Run };
  "run.rename": { req: RunRename; res: Run };
  "run.delete": { req: ById; res: Deleted };
  "run.restore": { req: ById; res: Run };
  "run.series": { req: RunSeries; res: Columns };
  "report.create": { req: ReportRequest; res: JobStatus };
  "report.list": { req: Empty; res: Array<ReportFile> };
  "report.get": { req: ById; res: ReportContent };
  "job.list": { req: Empty; res: Array<JobStatus> };
  "job.get": { req: ById; res: JobStatus };
  "job.cancel": { req: ById; res: boolean };
  "job.dismiss": { req: ById; res: boolean };
  "secrets.status": { req: Empty; res: SecretsStatus };
  "secrets.unlock": { req: Passphrase; res: SecretsStatus };
}

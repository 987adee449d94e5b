//! A run and its figures.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::latency::{LatencyMs, Percentile};
use super::spec::{Load, RunSpec};
use crate::judged::JudgedMs;

/// One second of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Interval {
    /// Start of the second.
    pub t_ms: f64,
    /// Length, in seconds (the last one may be shorter).
    pub duration_s: f64,
    /// Responses, errors included.
    pub requests: u64,
    /// Errors among `requests`.
    pub errors: u64,
    /// Median response time, in milliseconds; `None` without successful responses.
    pub p50: Option<f64>,
    /// 90th percentile, in milliseconds.
    pub p90: Option<f64>,
    /// 99th percentile, in milliseconds.
    pub p99: Option<f64>,
    /// Largest response time, in milliseconds.
    pub max: Option<f64>,
}

/// Errors of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ErrorCount {
    /// Class: `connect`, `timeout`, `reset`, `tls`, `protocol`, `status`, `check`, `redirect`, `sql`, `cache`, `shed`,
    /// `other`.
    pub class: String,
    /// Number of errors.
    pub count: u64,
    /// One message of the class.
    pub sample: String,
}

/// Responses of one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StatusCount {
    /// HTTP status.
    pub status: u16,
    /// Number of responses.
    pub count: u64,
}

/// The machine that generated the load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Machine {
    /// Operating system and version.
    pub os: String,
    /// Processor model.
    pub cpu: String,
    /// Logical processors.
    pub cores: u32,
    /// Memory, in bytes.
    pub memory_bytes: f64,
    /// Perfdeck's version.
    pub perfdeck: String,
}

/// Outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Over its whole duration.
    Completed,
    /// Stopped by the user; figures cover the time until then.
    Cancelled,
    /// Stopped by a guard, or because its data was used up; figures cover the time until then.
    Aborted,
    /// Perfdeck or the machine ended during it.
    Interrupted,
}

/// Result of one step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StepResult {
    /// Name of the step in the plan.
    pub name: String,
    /// Kind of the step: `http`, `sql` or `cache`.
    pub kind: String,
    /// Request that the step sends: method and path, statement, or command.
    pub request: String,
    /// Executions in the measured time, errors included.
    pub requests: u64,
    /// Errors among `requests`.
    pub errors: u64,
    /// Successful executions per second.
    pub rate_per_s: f64,
    /// Time from the intended start to the end; `None` where the engine cannot give it.
    pub response_ms: Option<LatencyMs>,
    /// Time from the actual start to the end.
    pub service_ms: LatencyMs,
    /// Response times with the failed executions in the distribution; absent in runs of earlier versions.
    #[serde(default)]
    pub judged_ms: Option<JudgedMs>,
    /// Reads that found nothing, of a cache step that reads.
    #[serde(default)]
    pub misses: Option<u64>,
    /// Errors by class, most frequent first.
    pub errors_by_class: Vec<ErrorCount>,
    /// Response-time histogram as in [`Run::response_histogram`]; empty where there is no response time.
    #[serde(default, alias = "histogram")]
    pub response_histogram: String,
    /// Service-time histogram, same form.
    #[serde(default)]
    pub service_histogram: String,
    /// Histogram of the executions that timed out: the time from the intended start until each was given up, same form;
    /// empty without any.
    #[serde(default)]
    pub timeout_histogram: String,
}

/// Result of one stage of a plan's load: the requests that were meant to start in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StageResult {
    /// Kind of the stage: `ramp`, `hold` or `spike`.
    pub kind: String,
    /// Start of the stage, in seconds from the start of the measured time.
    pub start_s: f64,
    /// Length of the stage, in seconds; the measured part of it when the run ended within it.
    pub duration_s: f64,
    /// Level at the start: iterations per second in an open loop, connections in a closed one.
    pub from: f64,
    /// Level just before the end.
    pub to: f64,
    /// Requests, errors included.
    pub requests: u64,
    /// Errors among `requests`.
    pub errors: u64,
    /// Successful requests per second.
    pub rate_per_s: f64,
    /// Time from the intended start to the end, of the successful ones.
    pub response_ms: LatencyMs,
    /// Share of its starts that were sent before it ended, in an open loop; at least 0.99.
    pub rate_share: Option<f64>,
    /// 99th percentile of the schedule lag, in milliseconds, in an open loop.
    pub lag_p99_ms: Option<f64>,
    /// Reason why its figures do not stand for its level; absent when they do.
    pub invalid_reason: Option<String>,
}

/// Result of a threshold of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ThresholdResult {
    /// Threshold as it is written in the plan.
    pub text: String,
    /// Name of the step it is about; all when absent.
    pub step: Option<String>,
    /// Name of the metric.
    pub metric: String,
    /// Unit of `limit` and `actual`: `ms`, `%`, `/s`, or empty for a number.
    pub unit: String,
    /// Limit that was asked for, in `unit`.
    pub limit: f64,
    /// Measured value, in `unit`; `None` when it was not measured, or when the requests there failed: the note says
    /// which.
    pub actual: Option<f64>,
    /// Whether no more is known than that it is at least `actual`: the requests there had no answer within their
    /// deadline.
    #[serde(default)]
    pub at_least: bool,
    /// Whether it was shown to hold.
    pub ok: bool,
    /// Whether it could not be judged: it was not measured, or has too few samples. Then `ok` is false and it did not
    /// fail either.
    #[serde(default)]
    pub unjudged: bool,
    /// Remark on the result: why it could not be judged, how many requests failed, or too few samples for a stable
    /// percentile.
    pub note: Option<String>,
}

/// How the thresholds of a run turned out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ThresholdCount {
    /// Number of thresholds.
    pub all: u32,
    /// Of these, shown not to hold.
    pub failed: u32,
    /// Of these, not judged.
    pub unjudged: u32,
}

impl ThresholdCount {
    /// Of a run's results.
    pub fn of(results: &[ThresholdResult]) -> Self {
        let count = |of: &dyn Fn(&ThresholdResult) -> bool| {
            u32::try_from(results.iter().filter(|t| of(t)).count()).unwrap_or(u32::MAX)
        };
        Self { all: count(&|_| true), failed: count(&|t| !t.ok && !t.unjudged), unjudged: count(&|t| t.unjudged) }
    }
}

/// Source of a generator's ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CeilingKind {
    /// Rate reached against a target that does nothing, with the same engine, threads, connections and requests.
    Measured,
    /// Rate that the run's CPU time per request leaves room for, where no such target can stand in, such as for a
    /// database.
    Projected,
}

/// Basis of a run's figures, next to the limits that they were held against.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(default)]
pub struct Footing {
    /// Share of the target rate that was sent in time, in an open loop; at least 0.99.
    pub rate_share: Option<f64>,
    /// 99th percentile of the schedule lag, in milliseconds, in an open loop.
    pub lag_p99_ms: Option<f64>,
    /// Largest allowed value of `lag_p99_ms`, in milliseconds.
    pub lag_limit_ms: Option<f64>,
    /// Whether the generator's system has a timer that holds a schedule to less than a millisecond; `None` where another
    /// tool made the run and does not tell.
    pub precise_timer: Option<bool>,
    /// CPU of the generator's threads as a share of one core each; at most 0.8.
    pub generator_cpu_share: Option<f64>,
    /// Most requests per second that the generator can send here.
    pub ceiling_per_s: Option<f64>,
    /// Source of `ceiling_per_s`.
    pub ceiling_kind: Option<CeilingKind>,
    /// Run's rate as a share of `ceiling_per_s`; at most 0.7 of a measured one, or the figures are those of the
    /// generator.
    pub ceiling_share: Option<f64>,
    /// Whether the target runs on the generator's machine; `None` where another tool made the run and does not tell.
    pub co_located: Option<bool>,
    /// Correlation of a second's median with the next one's, -1 to 1; `None` below 20 seconds. Near 1, the seconds are
    /// no independent samples.
    pub autocorrelation: Option<f64>,
    /// Whether rate and latency were steady over the measured time; `None` when it was too short to tell, or the load
    /// was meant to change.
    pub steady: Option<bool>,
    /// Seconds for which a CPU quota of the generator's cgroup held its threads back, summed over its processors; `None`
    /// where the system does not tell.
    pub throttled_s: Option<f64>,
    /// Periods of that quota in which it held them back.
    pub throttled_periods: Option<u64>,
}

/// What a run was made for, where it was not made for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// Pairs of runs.
    Comparison,
    /// A search for the knee.
    Knee,
}

/// The comparison or search that a run is a part of; it is stored when all of its runs are over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PartOf {
    /// Comparison or search.
    pub kind: PartKind,
    /// Its identifier.
    pub id: String,
    /// Its name for a person.
    pub name: String,
}

/// One execution of a benchmark and its results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Run {
    /// Name of the schema: `perfdeck.run/1`.
    pub schema: String,
    /// Stable identifier.
    pub id: String,
    /// Name for a person.
    pub name: String,
    /// Identifier of the environment it belongs to.
    pub environment_id: Option<String>,
    /// Name of that environment at the time.
    pub environment_name: Option<String>,
    /// The comparison or search that it is a part of; absent in a run for itself and in runs of earlier versions.
    #[serde(default)]
    pub part_of: Option<PartOf>,
    /// Load engine that ran, with its version.
    pub engine: String,
    /// Every effective setting.
    pub spec: RunSpec,
    /// Addresses that the URL's host resolved to.
    pub resolved: Vec<String>,
    /// Outcome of the run.
    pub state: RunState,
    /// Start of the measured time.
    pub started_ms: f64,
    /// End of the measured time.
    pub finished_ms: f64,
    /// Measured time, in seconds.
    pub duration_s: f64,
    /// Requests of the measured time with an outcome, errors included; [`Run::answered`] of them had an answer.
    pub requests: u64,
    /// Errors among `requests`.
    pub errors: u64,
    /// Successful responses per second.
    pub rate_per_s: f64,
    /// Rate asked for, per second, in an open loop.
    pub target_rate_per_s: Option<f64>,
    /// Body and head bytes received.
    pub bytes_received: u64,
    /// Time from the intended start to the end of the response, of the successful ones; `None` where the engine cannot give
    /// it.
    pub response_ms: Option<LatencyMs>,
    /// Time from the actual start to the end of the response, of the successful ones.
    pub service_ms: LatencyMs,
    /// Response times with the failed requests in the distribution: what is judged. Absent in runs of earlier versions.
    #[serde(default)]
    pub judged_ms: Option<JudgedMs>,
    /// Time from the intended to the actual start; `None` in a closed loop, which has no schedule, and where the engine
    /// cannot give it.
    pub schedule_lag_ms: Option<LatencyMs>,
    /// CPU time of the load generator's threads, in seconds; `None` where the engine cannot give it.
    pub client_cpu_s: Option<f64>,
    /// State of the environment's targets before the run, by name: `version.database`, `setting.database.work_mem`
    /// (those that are not the default), `data.database.public.orders` (rows, as estimated), the same of `cache`. Empty
    /// without an environment.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// Tag that tells apart runs whose masked parts differ; a number of one store that says nothing about them. Empty
    /// where nothing is masked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub masked_tag: String,
    /// The steps of a plan, in its order; empty for one HTTP request.
    #[serde(default)]
    pub steps: Vec<StepResult>,
    /// The stages of a plan's load, in order; empty when it stays at one level.
    #[serde(default)]
    pub stages: Vec<StageResult>,
    /// Iterations of a plan in the measured time.
    #[serde(default)]
    pub iterations: Option<u64>,
    /// Results of the thresholds of a plan.
    #[serde(default)]
    pub thresholds: Vec<ThresholdResult>,
    /// Whether the figures can be trusted.
    pub valid: bool,
    /// Reasons why the figures cannot be trusted.
    pub invalid_reasons: Vec<String>,
    /// Facts that were looked at to tell whether the figures can be trusted.
    #[serde(default)]
    #[serde(alias = "certificate")]
    pub footing: Footing,
    /// Further remarks, such as a generator on the same machine as the target.
    pub notes: Vec<String>,
    /// Errors by class, most frequent first.
    pub errors_by_class: Vec<ErrorCount>,
    /// Responses by status, ascending.
    pub statuses: Vec<StatusCount>,
    /// One-second intervals.
    pub intervals: Vec<Interval>,
    /// Percentile curve of the response time.
    pub curve: Vec<Percentile>,
    /// Response-time histogram: HdrHistogram V2 compressed, base64; microseconds, 3 significant digits.
    pub response_histogram: String,
    /// Service-time histogram, same form.
    pub service_histogram: String,
    /// Schedule-lag histogram, same form; empty in a closed loop.
    pub lag_histogram: String,
    /// Histogram of the requests that timed out: the time from the intended start until each was given up, same form;
    /// empty without any.
    #[serde(default)]
    pub timeout_histogram: String,
    /// The machine that generated the load.
    pub machine: Machine,
}

/// Classes of errors of requests that were answered all the same.
const ANSWERED: [&str; 5] = ["status", "check", "redirect", "sql", "cache"];

impl Run {
    /// Requests that were answered, with a success or an error; the others were refused, reset, given up or never sent.
    pub fn answered(&self) -> u64 {
        let without = self.errors_by_class.iter().filter(|e| !ANSWERED.contains(&e.class.as_str()));
        self.requests.saturating_sub(without.map(|e| e.count).sum())
    }

    /// Requests that failed with errors of this class.
    pub fn errors_of(&self, class: &str) -> u64 {
        self.errors_by_class.iter().filter(|e| e.class == class).map(|e| e.count).sum()
    }

    /// Response times, or service times where the engine gives no others.
    pub fn latency(&self) -> &LatencyMs {
        self.response_ms.as_ref().unwrap_or(&self.service_ms)
    }

    /// Tells runs of the same work apart from others: what is sent, where to, and how it is started. Length, warm-up and
    /// threads are no part of it.
    pub fn work(&self) -> String {
        let what = match &self.spec {
            RunSpec::Http(http) => {
                let headers: Vec<String> = http.headers.iter().map(|h| format!("{}: {}", h.name, h.value)).collect();
                format!("{}\n{}\n{}", self.spec.request(), headers.join("\n"), http.body.as_deref().unwrap_or_default())
            }
            RunSpec::Plan(plan) => format!("{}\n{}", plan.base_url.as_deref().unwrap_or_default(), plan.toml),
        };
        let load = match self.spec.load() {
            Load::Closed => "closed".to_owned(),
            Load::Rate { rate_per_s } => rate_per_s.to_string(),
        };
        let environment = self.environment_id.as_deref().unwrap_or_default();
        let all = format!("{environment}\n{load}\n{}\n{what}{}", self.spec.connections(), self.masked_tag);
        format!("{:016x}", crate::fnv1a(all.bytes()))
    }

    /// The histogram behind [`Run::latency`].
    pub fn latency_histogram(&self) -> &str {
        if self.response_ms.is_some() { &self.response_histogram } else { &self.service_histogram }
    }
}

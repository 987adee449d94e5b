//! Benchmark plans, runs and their figures.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::judged::JudgedMs;

/// An HTTP header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = crate::open)]
pub struct Header {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// HTTP request method.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS, schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// The token sent on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// By its token, in any case.
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.as_str().eq_ignore_ascii_case(token))
    }

    /// Whether it only reads (RFC 9110, section 9.2.1).
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }

    /// Whether sending it twice is the same as once (RFC 9110, section 9.2.2).
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Self::Put | Self::Delete)
    }
}

/// How requests are started.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Load {
    /// Closed loop: each connection sends its next request when the previous one ended.
    Closed,
    /// Open loop: requests start on a fixed schedule, whatever the target does.
    Rate {
        /// Requests per second over all connections.
        rate_per_s: f64,
    },
}

/// An HTTP benchmark with one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct HttpBenchSpec {
    /// Full URL. Stored with its harmless parts; the others are `•••`.
    pub url: String,
    /// Request method.
    #[serde(default)]
    pub method: Method,
    /// Request headers. Stored with the values of harmless ones; the others are `•••`.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// Request body, as text. Stored masked.
    #[serde(default)]
    pub body: Option<String>,
    /// Request body of any bytes, in base64; instead of `body`. It is stored masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub body_base64: Option<String>,
    /// Closed loop or constant rate.
    pub load: Load,
    /// Connections held open.
    pub connections: u32,
    /// Generator threads; chosen by the engine when absent.
    #[serde(default)]
    pub threads: Option<u32>,
    /// Measured time, in seconds.
    pub duration_s: f64,
    /// Time before measuring, in seconds; excluded from every figure.
    #[serde(default)]
    pub warmup_s: f64,
    /// Deadline of one request, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout_s: f64,
    /// Accept any TLS certificate.
    #[serde(default)]
    pub insecure_tls: bool,
    /// The client's certificate for servers that ask for one, by files of the machine that sends the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub client_certificate: Option<ClientCertificate>,
}

/// A client's certificate and its key, as files in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// File of the certificate, with those that lead to its root where there are any.
    pub cert: String,
    /// File of the private key, without a pass phrase; that of the certificate when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub key: Option<String>,
}

fn default_timeout() -> f64 {
    10.0
}

/// What a run did, with every effective setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunSpec {
    /// One HTTP request, again and again.
    Http(HttpBenchSpec),
    /// A plan.
    Plan(PlanSpec),
}

/// A plan as it was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PlanSpec {
    /// What it does in a few words: its one request, or how many steps it has.
    pub request: String,
    /// The plan, as TOML. Literal texts in it are `•••`; what is written as `{{env:NAME}}` stays.
    pub toml: String,
    /// What the paths of its HTTP steps were added to.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Closed loop, or an open loop with its average rate of iterations.
    pub load: Load,
    /// Whether stages change the level: then no figure of the whole run says anything about one level.
    pub varies: bool,
    /// Connections held open at most.
    pub connections: u32,
    /// Generator threads.
    #[serde(default)]
    pub threads: Option<u32>,
    /// Measured time, in seconds.
    pub duration_s: f64,
    /// Time before measuring, in seconds; excluded from every figure.
    pub warmup_s: f64,
    /// Deadline of one step, in seconds.
    pub timeout_s: f64,
    /// Any TLS certificate was accepted.
    #[serde(default)]
    pub insecure_tls: bool,
}

impl RunSpec {
    /// What was sent, in a few words.
    pub fn request(&self) -> String {
        match self {
            Self::Http(http) => format!("{} {}", http.method.as_str(), http.url),
            Self::Plan(plan) => plan.request.clone(),
        }
    }

    /// Closed loop or rate.
    pub fn load(&self) -> Load {
        match self {
            Self::Http(http) => http.load,
            Self::Plan(plan) => plan.load,
        }
    }

    /// Connections held open.
    pub fn connections(&self) -> u32 {
        match self {
            Self::Http(http) => http.connections,
            Self::Plan(plan) => plan.connections,
        }
    }

    /// Generator threads, once the engine has chosen.
    pub fn threads(&self) -> Option<u32> {
        match self {
            Self::Http(http) => http.threads,
            Self::Plan(plan) => plan.threads,
        }
    }

    /// Measured time that was asked for, in seconds.
    pub fn duration_s(&self) -> f64 {
        match self {
            Self::Http(http) => http.duration_s,
            Self::Plan(plan) => plan.duration_s,
        }
    }

    /// Time before measuring, in seconds.
    pub fn warmup_s(&self) -> f64 {
        match self {
            Self::Http(http) => http.warmup_s,
            Self::Plan(plan) => plan.warmup_s,
        }
    }

    /// Deadline of one request, in seconds.
    pub fn timeout_s(&self) -> f64 {
        match self {
            Self::Http(http) => http.timeout_s,
            Self::Plan(plan) => plan.timeout_s,
        }
    }

    /// Whether any TLS certificate was accepted.
    pub fn insecure_tls(&self) -> bool {
        match self {
            Self::Http(http) => http.insecure_tls && http.url.starts_with("https"),
            Self::Plan(plan) => plan.insecure_tls,
        }
    }

    /// The one HTTP request, when that is what was run.
    pub fn http(&self) -> Option<&HttpBenchSpec> {
        match self {
            Self::Http(http) => Some(http),
            Self::Plan(_) => None,
        }
    }

    /// The plan, when that is what was run.
    pub fn plan(&self) -> Option<&PlanSpec> {
        match self {
            Self::Http(_) => None,
            Self::Plan(plan) => Some(plan),
        }
    }
}

/// Reads a time; no time is as short as 0, which earlier versions wrote where nothing was measured.
fn measured<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.filter(|ms| *ms != 0.0))
}

/// Percentiles of a latency distribution, in milliseconds; `None` where nothing was measured.
///
/// A quantile q needs n ≥ 100 / (1 − q) samples to be stable; those that have fewer are listed in `too_small`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct LatencyMs {
    /// Number of samples.
    pub n: u64,
    /// Smallest.
    #[serde(deserialize_with = "measured")]
    pub min: Option<f64>,
    /// Mean.
    #[serde(deserialize_with = "measured")]
    pub mean: Option<f64>,
    /// Median.
    #[serde(deserialize_with = "measured")]
    pub p50: Option<f64>,
    /// 90th percentile.
    #[serde(deserialize_with = "measured")]
    pub p90: Option<f64>,
    /// 95th percentile.
    #[serde(deserialize_with = "measured")]
    pub p95: Option<f64>,
    /// 99th percentile.
    #[serde(deserialize_with = "measured")]
    pub p99: Option<f64>,
    /// 99.9th percentile.
    #[serde(deserialize_with = "measured")]
    pub p999: Option<f64>,
    /// Largest.
    #[serde(deserialize_with = "measured")]
    pub max: Option<f64>,
    /// Names of the percentiles above that have too few samples behind them, such as `p999`.
    pub too_small: Vec<String>,
}

/// One point of a percentile curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Percentile {
    /// Quantile, 0 to 1.
    pub q: f64,
    /// Response time, in milliseconds.
    pub ms: f64,
}

/// One second of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Interval {
    /// Start of the second.
    pub t_ms: f64,
    /// Length, in seconds (the last one may be shorter).
    pub duration_s: f64,
    /// Responses, errors included.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Median response time, in milliseconds; `None` without successful responses.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
}

/// Errors of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ErrorCount {
    /// `connect`, `timeout`, `reset`, `tls`, `protocol`, `status`, `check`, `redirect`, `sql`, `cache`, `shed`, `other`.
    pub class: String,
    /// How many.
    pub count: u64,
    /// One message of it.
    pub sample: String,
}

/// Responses of one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StatusCount {
    /// HTTP status.
    pub status: u16,
    /// How many.
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

/// How a run ended.
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

/// What one step of a plan came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StepResult {
    /// Its name in the plan.
    pub name: String,
    /// `http`, `sql` or `cache`.
    pub kind: String,
    /// What it sends: method and path, statement, or command.
    pub request: String,
    /// Executions in the measured time, errors included.
    pub requests: u64,
    /// Of these, errors.
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
    /// Of the executions that timed out: the time from the intended start until each was given up, same form; empty without
    /// any.
    #[serde(default)]
    pub timeout_histogram: String,
}

/// What one stage of a plan's load came to: the requests that were meant to start in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StageResult {
    /// `ramp`, `hold` or `spike`.
    pub kind: String,
    /// Its start, in seconds from the start of the measured time.
    pub start_s: f64,
    /// Its length, in seconds; what was measured of it when the run ended within it.
    pub duration_s: f64,
    /// Level at its start: iterations per second in an open loop, connections in a closed one.
    pub from: f64,
    /// Level just before its end.
    pub to: f64,
    /// Requests, errors included.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Successful requests per second.
    pub rate_per_s: f64,
    /// Time from the intended start to the end, of the successful ones.
    pub response_ms: LatencyMs,
    /// Share of its starts that were sent before it ended, in an open loop; at least 0.99.
    pub rate_share: Option<f64>,
    /// 99th percentile of the schedule lag, in milliseconds, in an open loop.
    pub lag_p99_ms: Option<f64>,
    /// Why its figures do not stand for its level; absent when they do.
    pub invalid_reason: Option<String>,
}

/// How a threshold of a plan turned out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ThresholdResult {
    /// As it is written in the plan.
    pub text: String,
    /// The step it is about; all when absent.
    pub step: Option<String>,
    /// Name of the metric.
    pub metric: String,
    /// Unit of `limit` and `actual`: `ms`, `%`, `/s`, or empty for a number.
    pub unit: String,
    /// What was asked for.
    pub limit: f64,
    /// What was measured; `None` when it was not, or when the requests there failed: the note says which.
    pub actual: Option<f64>,
    /// No more is known than that it is at least `actual`: the requests there had no answer within their deadline.
    #[serde(default)]
    pub at_least: bool,
    /// Whether it was shown to hold.
    pub ok: bool,
    /// It could not be judged: it was not measured, or has too few samples. Then `ok` is false and it did not fail either.
    #[serde(default)]
    pub unjudged: bool,
    /// What to know about it: why it could not be judged, how many requests failed, or too few samples for a stable
    /// percentile.
    pub note: Option<String>,
}

/// How a generator's ceiling is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CeilingKind {
    /// It was reached against a target that does nothing, with the same engine, threads, connections and requests.
    Measured,
    /// No such target can stand in, such as for a database: it is what the run's CPU time per request leaves room for.
    Projected,
}

/// What a run's figures rest on, next to the limits that they were held against.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(default)]
pub struct Footing {
    /// Share of the target rate that was sent in time, in an open loop; at least 0.99.
    pub rate_share: Option<f64>,
    /// 99th percentile of the schedule lag, in milliseconds, in an open loop.
    pub lag_p99_ms: Option<f64>,
    /// What it may be.
    pub lag_limit_ms: Option<f64>,
    /// Whether this system's timer holds a schedule to less than a millisecond.
    pub precise_timer: bool,
    /// CPU of the generator's threads as a share of one core each; at most 0.8.
    pub generator_cpu_share: Option<f64>,
    /// Most requests per second that the generator can send here.
    pub ceiling_per_s: Option<f64>,
    /// How that is known.
    pub ceiling_kind: Option<CeilingKind>,
    /// The run's rate as a share of that; at most 0.7 of a measured one, or the figures are those of the generator.
    pub ceiling_share: Option<f64>,
    /// Whether the target runs on the generator's machine.
    pub co_located: bool,
    /// Correlation of a second's median with the next one's, -1 to 1; `None` below 20 seconds. Near 1, the seconds are
    /// no independent samples.
    pub autocorrelation: Option<f64>,
    /// Whether rate and latency were steady over the measured time; `None` when it was too short to tell, or the load
    /// was meant to change.
    pub steady: Option<bool>,
    /// Seconds for which a CPU quota of the generator's cgroup held its threads back, summed over its processors; `None`
    /// where the system does not tell.
    pub throttled_s: Option<f64>,
    /// Periods of that quota in which it did.
    pub throttled_periods: Option<u64>,
}

/// One execution of a benchmark and its results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Run {
    /// `perfdeck.run/1`.
    pub schema: String,
    /// Stable identifier.
    pub id: String,
    /// Name for a person.
    pub name: String,
    /// The environment it belongs to.
    pub environment_id: Option<String>,
    /// That environment's name at the time.
    pub environment_name: Option<String>,
    /// Which load engine ran, with its version.
    pub engine: String,
    /// Every effective setting.
    pub spec: RunSpec,
    /// Addresses that the URL's host resolved to.
    pub resolved: Vec<String>,
    /// How it ended.
    pub state: RunState,
    /// Start of the measured time.
    pub started_ms: f64,
    /// End of the measured time.
    pub finished_ms: f64,
    /// Measured time, in seconds.
    pub duration_s: f64,
    /// Requests of the measured time with an outcome, errors included; [`Run::answered`] of them had an answer.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Successful responses per second.
    pub rate_per_s: f64,
    /// The rate asked for, in an open loop.
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
    /// What the environment's targets were before the run, by name: `version.database`, `setting.database.work_mem` (those
    /// that are not the default), `data.database.public.orders` (rows, as estimated), the same of `cache`. Empty without an
    /// environment.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// Tells apart runs whose masked parts differ; a number of one store that says nothing about them. Empty where nothing
    /// is masked.
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
    /// How the thresholds of a plan turned out.
    #[serde(default)]
    pub thresholds: Vec<ThresholdResult>,
    /// Whether the figures can be trusted.
    pub valid: bool,
    /// Why not.
    pub invalid_reasons: Vec<String>,
    /// What was looked at to tell.
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
    /// Of the requests that timed out: the time from the intended start until each was given up, same form; empty without
    /// any.
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

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct RunSummary {
    /// Stable identifier.
    pub id: String,
    /// Name for a person.
    pub name: String,
    /// The environment it belongs to.
    pub environment_id: Option<String>,
    /// Method and URL.
    pub request: String,
    /// Closed loop or constant rate.
    pub load: Load,
    /// Connections.
    pub connections: u32,
    /// How it ended.
    pub state: RunState,
    /// Start of the measured time.
    pub started_ms: f64,
    /// Measured time, in seconds.
    pub duration_s: f64,
    /// Responses, errors included.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Successful responses per second.
    pub rate_per_s: f64,
    /// Median response time of the successful ones, in milliseconds; `None` without any.
    #[serde(deserialize_with = "measured")]
    pub p50_ms: Option<f64>,
    /// 99th percentile, in milliseconds.
    #[serde(deserialize_with = "measured")]
    pub p99_ms: Option<f64>,
    /// Response times with the failed requests in the distribution; absent in runs of earlier versions.
    #[serde(default)]
    pub judged_ms: Option<JudgedMs>,
    /// Whether the figures can be trusted.
    pub valid: bool,
    /// Runs of the same work have the same; see [`Run::work`].
    #[serde(default)]
    pub work: String,
}

impl From<&Run> for RunSummary {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id.clone(),
            name: run.name.clone(),
            environment_id: run.environment_id.clone(),
            request: run.spec.request(),
            load: run.spec.load(),
            connections: run.spec.connections(),
            state: run.state,
            started_ms: run.started_ms,
            duration_s: run.duration_s,
            requests: run.requests,
            errors: run.errors,
            rate_per_s: run.rate_per_s,
            p50_ms: run.latency().p50,
            p99_ms: run.latency().p99,
            judged_ms: run.judged_ms.clone(),
            valid: run.valid,
            work: run.work(),
        }
    }
}

/// What a benchmark is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BenchPhase {
    /// Opening connections.
    Connecting,
    /// Before the measured time.
    WarmUp,
    /// In the measured time.
    Measuring,
    /// Waiting for the last responses.
    Draining,
    /// Over.
    Finished,
}

/// Live figures of a running benchmark, at most ten a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct BenchLive {
    /// The run.
    pub run_id: String,
    /// What it is doing.
    pub phase: BenchPhase,
    /// Time since the start of warm-up, in seconds.
    pub elapsed_s: f64,
    /// Warm-up and measured time together, in seconds.
    pub total_s: f64,
    /// Time of this figure.
    pub at_ms: f64,
    /// Responses since the start of the measured time.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Requests waiting for a response.
    pub in_flight: u32,
    /// Responses per second over the last interval.
    pub rate_per_s: f64,
    /// The rate asked for, in an open loop.
    pub target_rate_per_s: Option<f64>,
    /// Median response time of the last interval, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 90th percentile of the last interval.
    pub p90_ms: Option<f64>,
    /// 99th percentile of the last interval.
    pub p99_ms: Option<f64>,
    /// Largest of the last interval.
    pub max_ms: Option<f64>,
    /// 99th percentile of the schedule lag of the last interval, in an open loop.
    pub lag_p99_ms: Option<f64>,
    /// Response times of the last interval for a heatmap: buckets as in [`Heatmap`], with their counts.
    #[serde(default)]
    pub heat: Vec<(u16, u32)>,
}

/// Response times over time: a histogram per column, in buckets of a quarter of an octave.
///
/// Bucket b holds 2^(b/4) up to 2^((b+1)/4) microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Heatmap {
    /// Start of the first column.
    pub started_ms: f64,
    /// Length of a column, in seconds.
    pub column_s: f64,
    /// Buckets with their counts, for each column; ascending, without empty ones.
    pub columns: Vec<Vec<(u16, u32)>>,
}

/// The bucket of a [`Heatmap`] that a time in microseconds belongs to.
pub fn heat_bucket(us: u64) -> u16 {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let bucket = ((us.max(1) as f64).log2() * 4.0) as u16;
    bucket
}

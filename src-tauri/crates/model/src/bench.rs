//! Benchmark plans, runs and their figures.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// An HTTP header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
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
    /// Full URL.
    pub url: String,
    /// Request method.
    #[serde(default)]
    pub method: Method,
    /// Request headers. Values of secret ones (Authorization, Cookie, …) are stored as `••••`.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// Request body.
    #[serde(default)]
    pub body: Option<String>,
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
}

fn default_timeout() -> f64 {
    10.0
}

/// Percentiles of a latency distribution, in milliseconds.
///
/// A quantile q needs n ≥ 100 / (1 − q) samples to be stable; those that have fewer are listed in `too_small`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct LatencyMs {
    /// Number of samples.
    pub n: u64,
    /// Smallest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Largest.
    pub max: f64,
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
    /// `connect`, `timeout`, `reset`, `tls`, `protocol`, `status`, `shed`, `other`.
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
    /// Perfdeck or the machine ended during it.
    Interrupted,
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
    pub spec: HttpBenchSpec,
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
    /// Responses in the measured time, errors included.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Successful responses per second.
    pub rate_per_s: f64,
    /// The rate asked for, in an open loop.
    pub target_rate_per_s: Option<f64>,
    /// Body and head bytes received.
    pub bytes_received: u64,
    /// Time from the intended start to the end of the response.
    pub response_ms: LatencyMs,
    /// Time from the actual start to the end of the response.
    pub service_ms: LatencyMs,
    /// Time from the intended to the actual start; zero in a closed loop.
    pub schedule_lag_ms: LatencyMs,
    /// CPU time of the load generator's threads, in seconds.
    pub client_cpu_s: f64,
    /// Whether the figures can be trusted.
    pub valid: bool,
    /// Why not.
    pub invalid_reasons: Vec<String>,
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
    /// Schedule-lag histogram, same form.
    pub lag_histogram: String,
    /// The machine that generated the load.
    pub machine: Machine,
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
    /// Median response time, in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile, in milliseconds.
    pub p99_ms: f64,
    /// Whether the figures can be trusted.
    pub valid: bool,
}

impl From<&Run> for RunSummary {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id.clone(),
            name: run.name.clone(),
            environment_id: run.environment_id.clone(),
            request: format!("{} {}", run.spec.method.as_str(), run.spec.url),
            load: run.spec.load,
            connections: run.spec.connections,
            state: run.state,
            started_ms: run.started_ms,
            duration_s: run.duration_s,
            requests: run.requests,
            errors: run.errors,
            rate_per_s: run.rate_per_s,
            p50_ms: run.response_ms.p50,
            p99_ms: run.response_ms.p99,
            valid: run.valid,
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
}

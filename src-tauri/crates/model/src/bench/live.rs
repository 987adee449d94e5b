//! A benchmark while it runs.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Phase of a benchmark.
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
    /// Identifier of the run.
    pub run_id: String,
    /// Phase of the run.
    pub phase: BenchPhase,
    /// Time since the start of warm-up, in seconds.
    pub elapsed_s: f64,
    /// Warm-up and measured time together, in seconds.
    pub total_s: f64,
    /// Time of these figures, in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Responses since the start of the measured time.
    pub requests: u64,
    /// Errors among `requests`.
    pub errors: u64,
    /// Requests waiting for a response.
    pub in_flight: u32,
    /// Length of the interval that ended with these figures, in seconds; absent while one goes on: the figures of an
    /// interval are then those of the last, and no new sample. An interval has 100 responses or lasts about a second.
    #[serde(default)]
    pub interval_s: Option<f64>,
    /// Successful responses per second over the last interval.
    pub rate_per_s: f64,
    /// Rate asked for, per second, in an open loop.
    pub target_rate_per_s: Option<f64>,
    /// Median response time of the last interval, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 90th percentile of the last interval, in milliseconds.
    pub p90_ms: Option<f64>,
    /// 99th percentile of the last interval, in milliseconds.
    pub p99_ms: Option<f64>,
    /// Largest response time of the last interval, in milliseconds.
    pub max_ms: Option<f64>,
    /// 99th percentile of the schedule lag of the last interval, in milliseconds, in an open loop.
    pub lag_p99_ms: Option<f64>,
    /// Response times since the last figures for a heatmap: buckets as in [`Heatmap`], with their counts.
    #[serde(default)]
    pub heat: Vec<(u16, u32)>,
}

//! What a comparison reads of each run.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The two sides of a comparison: A is before or the reference, B is after or the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// Before, or the reference target.
    A,
    /// After, or the other target.
    B,
}

impl Arm {
    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// A figure of a run that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BenchMetric {
    /// Goodput: successful responses per second (docs/benchmarks.md, 7.2.9). Higher is better.
    Throughput,
    /// Median response time, in milliseconds. Lower is better, as for all below.
    P50,
    /// 90th percentile.
    P90,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
    /// 99.9th percentile.
    P999,
}

impl BenchMetric {
    /// All of them, in reading order.
    pub const ALL: [Self; 6] = [Self::Throughput, Self::P50, Self::P90, Self::P95, Self::P99, Self::P999];

    /// Its name in sentences and tables; for percentiles the field name of a run's latencies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p999",
        }
    }

    /// Its unit.
    pub fn unit(self) -> &'static str {
        if self == Self::Throughput { "requests/s" } else { "ms" }
    }

    /// Whether a decrease is an improvement.
    pub fn lower_is_better(self) -> bool {
        self != Self::Throughput
    }

    /// Requests that a run needs for this figure to be stable: 100 / (1 − q) (docs/benchmarks.md, 7.2.6); 0 for throughput.
    pub fn needed(self) -> u64 {
        self.quantile().map_or(0, perfdeck_model::samples_for)
    }

    /// Its quantile, 0 to 1; `None` for throughput.
    pub fn quantile(self) -> Option<f64> {
        match self {
            Self::Throughput => None,
            Self::P50 => Some(0.5),
            Self::P90 => Some(0.9),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
            Self::P999 => Some(0.999),
        }
    }

    /// Requests that it takes to hold this figure against a limit (docs/benchmarks.md, 6.6); 0 for throughput.
    pub fn to_judge(self) -> u64 {
        self.quantile().map_or(0, crate::judged::needed)
    }

    /// The smallest relative change that matters, unless chosen otherwise: 3 % throughput, 5 % p50, 10 % p99
    /// (docs/benchmarks.md, 7.2.1). The other percentiles take the tail's.
    pub fn default_delta(self) -> f64 {
        match self {
            Self::Throughput => 0.03,
            Self::P50 => 0.05,
            _ => 0.10,
        }
    }
}

/// One point of a percentile curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CurvePoint {
    /// Quantile, 0 to 1.
    pub q: f64,
    /// Response time, in milliseconds.
    pub ms: f64,
}

/// The figures of one run.
///
/// Latencies count from the intended start, and requests that failed, were shed or timed out must be in the
/// distribution as longer than the others (docs/benchmarks.md, 7.2.9), or survivors look faster. A percentile that falls among them
/// has no value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct RunFigures {
    /// The run.
    pub run_id: String,
    /// Start of its measured time, in milliseconds since 1970; the clock of the drift check.
    pub started_ms: f64,
    /// Whether its figures can be trusted (docs/benchmarks.md, 6.4).
    pub valid: bool,
    /// Why not.
    pub invalid_reasons: Vec<String>,
    /// Responses, errors included.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Successful responses per second.
    pub rate_per_s: f64,
    /// Samples behind the percentiles.
    pub latency_n: u64,
    /// Percentiles in milliseconds by name: `p50`, `p90`, `p95`, `p99`, `p999`. Absent ones are not compared.
    pub latency_ms: BTreeMap<String, f64>,
    /// Names of percentiles known to have too few samples, besides those that `latency_n` tells.
    #[serde(default)]
    pub too_small: Vec<String>,
    /// Names of percentiles that time-outs or failures keep from being known: they are in no `latency_ms`.
    #[serde(default)]
    pub beyond: Vec<String>,
    /// Percentile curve for the shift function; may be empty.
    #[serde(default)]
    pub curve: Vec<CurvePoint>,
}

impl RunFigures {
    /// The value of a metric, when it is a positive number.
    pub fn value(&self, metric: BenchMetric) -> Option<f64> {
        let value = match metric {
            BenchMetric::Throughput => Some(self.rate_per_s),
            _ => self.latency_ms.get(metric.name()).copied(),
        };
        value.filter(|v| v.is_finite() && *v > 0.0)
    }

    /// Whether this run has the samples that the metric needs.
    pub fn enough(&self, metric: BenchMetric) -> bool {
        self.latency_n >= metric.needed() && !self.too_small.iter().any(|name| name == metric.name())
            || metric == BenchMetric::Throughput
    }

    /// Errors as a share of the responses, 0 to 1; 0 without responses.
    pub fn error_share(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.errors as f64 / self.requests as f64 }
    }

    /// The response time at quantile `q`, when the curve holds that very point.
    pub fn at(&self, q: f64) -> Option<f64> {
        self.curve.iter().find(|p| (p.q - q).abs() < 1e-6).map(|p| p.ms).filter(|ms| ms.is_finite() && *ms > 0.0)
    }
}

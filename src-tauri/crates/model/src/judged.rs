//! Response times with the requests that failed in the distribution: what thresholds, knees, comparisons and sentences judge.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One figure of a [`JudgedMs`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct JudgedTime {
    /// Time, in milliseconds; `None` when the requests there failed, so that they took longer than any limit.
    pub ms: Option<f64>,
    /// Whether no more is known than that it is at least `ms`: the requests there had no answer within their deadline.
    #[serde(default)]
    pub at_least: bool,
}

impl JudgedTime {
    /// The time, where it is known exactly.
    pub fn exact(&self) -> Option<f64> {
        self.ms.filter(|_| !self.at_least)
    }
}

/// Percentiles of the response time over all requests, in milliseconds.
///
/// A request that timed out counts as at least the time until it was given up, one that failed otherwise as longer than any
/// time. Without failures the percentiles are those of the response time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct JudgedMs {
    /// Requests, failed ones included.
    pub n: u64,
    /// Requests of these that were given up without an answer in time.
    pub timed_out: u64,
    /// Requests of these that failed otherwise.
    pub failed: u64,
    /// Median.
    pub p50: JudgedTime,
    /// 90th percentile.
    pub p90: JudgedTime,
    /// 95th percentile.
    pub p95: JudgedTime,
    /// 99th percentile.
    pub p99: JudgedTime,
    /// 99.9th percentile.
    pub p999: JudgedTime,
    /// Largest time.
    pub max: JudgedTime,
    /// Names of the percentiles above that have too few requests behind them, such as `p999`.
    pub too_small: Vec<String>,
}

impl JudgedMs {
    /// A percentile by its name, such as `p99`.
    pub fn at(&self, name: &str) -> Option<JudgedTime> {
        match name {
            "p50" => Some(self.p50),
            "p90" => Some(self.p90),
            "p95" => Some(self.p95),
            "p99" => Some(self.p99),
            "p999" => Some(self.p999),
            "max" => Some(self.max),
            _ => None,
        }
    }

    /// Whether a percentile has the requests that it needs.
    pub fn enough(&self, name: &str) -> bool {
        self.n > 0 && !self.too_small.iter().any(|few| few == name)
    }

    /// Whether any request failed, so that it differs from the response time.
    pub fn differs(&self) -> bool {
        self.timed_out + self.failed > 0
    }
}

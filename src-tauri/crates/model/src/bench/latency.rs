//! Distributions of times.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Percentiles of a latency distribution, in milliseconds; `None` where nothing was measured.
///
/// A quantile q needs n ≥ 100 / (1 − q) samples to be stable; those that have fewer are listed in `too_small`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct LatencyMs {
    /// Number of samples.
    pub n: u64,
    /// Smallest time.
    #[serde(deserialize_with = "measured")]
    pub min: Option<f64>,
    /// Mean time.
    #[serde(deserialize_with = "measured")]
    pub mean: Option<f64>,
    /// Median time.
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
    /// Largest time.
    #[serde(deserialize_with = "measured")]
    pub max: Option<f64>,
    /// Names of the percentiles above that have too few samples behind them, such as `p999`.
    pub too_small: Vec<String>,
}

/// The percentiles that are stated, by name and quantile.
pub const PERCENTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];

/// Samples that a quantile needs to be stated: 100 / (1 − q).
pub fn samples_for(q: f64) -> u64 {
    // Rounded first: 1 − 0.999 is not exactly 0.001.
    (100.0 / (1.0 - q).max(1e-12) - 1e-6).ceil() as u64
}

/// Names of the percentiles that so many samples cannot state: what decides "n too small" everywhere.
pub fn too_small(n: u64) -> Vec<String> {
    PERCENTILES.iter().filter(|(_, q)| n < samples_for(*q)).map(|(name, _)| (*name).to_owned()).collect()
}

/// Whether so many samples cannot give a point of a line at a quantile: below 1 / (1 − q) it is their longest time.
pub fn few_for_point(n: u64, q: f64) -> bool {
    (n as f64) < 1.0 / (1.0 - q).max(1e-12) - 1e-6
}

/// One point of a percentile curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Percentile {
    /// Quantile, 0 to 1.
    pub q: f64,
    /// Response time, in milliseconds.
    pub ms: f64,
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
    ((us.max(1) as f64).log2() * 4.0) as u16
}

/// Reads a time; no time is as short as 0, which earlier versions wrote where nothing was measured.
pub(super) fn measured<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.filter(|ms| *ms != 0.0))
}

//! The result of a comparison, as stored, exported and shown.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::figures::{Arm, BenchMetric};
use super::verdict::Verdict;

/// Schema of [`Comparison`].
pub const SCHEMA: &str = "perfdeck.comparison/1";

/// How the two sides were run, and so how much can be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonKind {
    /// Interleaved pairs in random order.
    Duet,
    /// Several runs before and several after, unpaired, with a drift check.
    Unpaired,
    /// One run each: never a verdict.
    Indicative,
}

/// One metric of both sides. Effects are relative changes of B against A: −0.31 is −31 %.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct MetricComparison {
    /// The metric.
    pub metric: BenchMetric,
    /// Its name, such as `p99`.
    pub name: String,
    /// Unit of the medians.
    pub unit: String,
    /// Chosen beforehand; all others are exploratory and uncorrected.
    pub primary: bool,
    /// Relative change, exp(mean log ratio) − 1.
    pub effect: Option<f64>,
    /// Lower end of its interval; `None` without one (fewer than two runs a side, or n too small).
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Two-sided p: exact sign-flip for pairs, Welch's t for unpaired runs; not corrected.
    pub p: Option<f64>,
    /// The same after Holm's correction over the primary metrics; `None` for exploratory ones.
    pub p_holm: Option<f64>,
    /// Pairs, or runs on the smaller side, behind it.
    pub pairs: u32,
    /// This metric's own verdict.
    pub verdict: Verdict,
    /// Median over the runs of A.
    pub a_median: Option<f64>,
    /// Median over the runs of B.
    pub b_median: Option<f64>,
    /// Minimum effect, such as 0.1 for 10 %; the upper edge of the band of no consequence.
    pub delta: f64,
    /// Lower edge of that band, 1 / (1 + delta) − 1: as far from no change on the log scale as `delta`.
    pub band_low: f64,
    /// B / A of each pair, in the order of the pairs; empty for unpaired runs.
    pub ratios: Vec<f64>,
    /// What a reader must know, such as "n too small".
    pub note: Option<String>,
}

/// The change at one quantile (shift function). Exploratory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ShiftPoint {
    /// Quantile, 0.1 to 0.999.
    pub q: f64,
    /// Relative change at it.
    pub effect: f64,
    /// Lower end of its interval, if any.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Whether every run has the 100 / (1 − q) requests it needs; drawn hatched otherwise.
    pub enough: bool,
}

/// One planned look at the result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Look {
    /// After this many pairs.
    pub pairs: u32,
    /// Nominal two-sided error rate.
    pub alpha: f64,
    /// What it said; `None` if not reached.
    pub verdict: Option<Verdict>,
}

/// Error rates of both sides, as shares of all responses (0.004 is 0.4 %).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ErrorDifference {
    /// Mean difference B − A over pairs (or of the means, unpaired).
    pub mean: f64,
    /// Lower end of its interval, if any.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Above 0.1 points either way: latency is then not compared (docs/benchmarks.md, 7.2.9).
    pub suppresses: bool,
}

/// Drift of one metric within the sides of an unpaired comparison (docs/benchmarks.md, 7.2.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Drift {
    /// The metric.
    pub metric: BenchMetric,
    /// Relative change per run, from one slope for both sides.
    pub per_run: f64,
    /// Two-sided p of that slope.
    pub p: f64,
    /// Whether it counts as drift; the interval is then wider by `shift` on either side.
    pub significant: bool,
    /// What the drift alone would make of the difference, as a relative change.
    pub shift: f64,
    /// The warning, in words; empty without drift.
    pub text: String,
}

/// Two sides compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Comparison {
    /// `perfdeck.comparison/1`.
    pub schema: String,
    /// How they were run.
    pub kind: ComparisonKind,
    /// The verdict over the primary metrics.
    pub verdict: Verdict,
    /// The verdict with its numbers, in one or two sentences.
    pub sentence: String,
    /// Confidence of every interval: 0.95, or 0.978 with several looks.
    pub level: f64,
    /// Hash of the registration, as stored in the runs.
    pub registration_hash: String,
    /// Primary metrics first, in their registered order.
    pub metrics: Vec<MetricComparison>,
    /// Change by quantile; empty when the runs have no curves.
    pub shift: Vec<ShiftPoint>,
    /// Planned looks; empty for anything but a duet.
    pub looks: Vec<Look>,
    /// About how many more pairs would decide an inconclusive result.
    pub more_pairs: Option<u32>,
    /// Differences that make the two sides not comparable; empty when they are.
    pub differences: Vec<String>,
    /// Why runs are invalid, each with its run; empty when all are valid.
    pub invalid_reasons: Vec<String>,
    /// Pairs run again because a run was invalid, with the reason.
    pub exclusions: Vec<String>,
    /// Mean error rate of A, as a share.
    pub errors_a: f64,
    /// Mean error rate of B.
    pub errors_b: f64,
    /// Their difference.
    pub errors: ErrorDifference,
    /// The arm that ran first in each pair; empty for anything but a duet.
    pub order: Vec<Arm>,
    /// Runs of A, in order.
    pub runs_a: Vec<String>,
    /// Runs of B.
    pub runs_b: Vec<String>,
    /// Drift check of the primary metrics; empty for pairs, which need none.
    pub drift: Vec<Drift>,
    /// Remarks that belong to no single metric.
    pub notes: Vec<String>,
}

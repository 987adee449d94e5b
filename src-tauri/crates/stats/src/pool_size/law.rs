//! Laws of throughput over the number of connections, of three parameters each.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::usl::{self, UslFit};

/// Contention up to a hard limit: X(N) = min(γN / (1 + α(N−1)), C).
///
/// The asymptotic bounds of a closed queueing network (Denning and Buzen, The Operational Analysis of Queueing Network Models, 1978)
/// with contention before them. Locks, slots and processors that are all taken stop the growth more sharply than the universal
/// scalability law can.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct LimitedFit {
    /// Throughput at N = 1, per second.
    pub gamma: f64,
    /// Contention: the share that is serial.
    pub alpha: f64,
    /// The limit C, per second.
    pub limit: f64,
    /// Scatter around the fit, as a relative standard deviation.
    pub scatter: f64,
}

/// The law that describes a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Law {
    /// The universal scalability law.
    Usl(UslFit),
    /// Contention up to a hard limit.
    Limited(LimitedFit),
}

impl Law {
    /// Throughput at `n` connections, per second.
    pub fn at(&self, n: f64) -> f64 {
        match self {
            Self::Usl(fit) => fit.at(n),
            Self::Limited(fit) => (fit.gamma * n / (1.0 + fit.alpha * (n - 1.0))).min(fit.limit),
        }
    }

    /// Scatter around it, as a relative standard deviation.
    pub fn scatter(&self) -> f64 {
        match self {
            Self::Usl(fit) => fit.scatter,
            Self::Limited(fit) => fit.scatter,
        }
    }

    /// The same law fitted anew.
    pub(super) fn again(&self, points: &[(f64, f64)]) -> Option<Self> {
        match self {
            Self::Usl(_) => usl::fit(points).map(Self::Usl),
            Self::Limited(_) => limited(points).map(Self::Limited),
        }
    }
}

/// The law with the smaller squared error of ln X; both have three parameters, so that the error alone decides. `None` with fewer
/// than three sizes or values that are not above 0.
pub fn fit(points: &[(f64, f64)]) -> Option<Law> {
    let usl = usl::fit(points).map(Law::Usl)?;
    let limited = limited(points).map(Law::Limited);
    Some(match limited {
        Some(limited) if limited.scatter() < usl.scatter() => limited,
        _ => usl,
    })
}

/// Tries each size as the last one below the limit.
fn limited(points: &[(f64, f64)]) -> Option<LimitedFit> {
    let mut sizes: Vec<f64> = points.iter().map(|(n, _)| *n).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let last = sizes.pop()?;
    let candidates = sizes.iter().filter(|n| **n < last).filter_map(|n| limited_after(points, *n));
    candidates.min_by(|a, b| a.scatter.total_cmp(&b.scatter))
}

/// The best one whose sizes up to `below` are below the limit.
fn limited_after(points: &[(f64, f64)], below: f64) -> Option<LimitedFit> {
    let (left, right): (Vec<_>, Vec<_>) = points.iter().copied().partition(|(n, _)| *n <= below);
    let limit = (right.iter().map(|(_, x)| x.ln()).sum::<f64>() / right.len() as f64).exp();
    // Without contention where that would be negative, or one size alone cannot tell it.
    let fits = [&[0, 1][..], &[0]].into_iter().filter_map(|active| usl::fit_terms(&left, active));
    let (_, c) = fits.min_by(|a, b| a.0.total_cmp(&b.0))?;
    let law = LimitedFit { gamma: 1.0 / c[0], alpha: c[1] / c[0], limit, scatter: 0.0 };
    let at = Law::Limited(law);
    let error: f64 = points.iter().map(|(n, x)| (x / at.at(*n)).ln().powi(2)).sum();
    let free = points.len().saturating_sub(3).max(1) as f64;
    error.is_finite().then(|| LimitedFit { scatter: (error / free).sqrt(), ..law })
}

//! The universal scalability law, X(N) = γN / (1 + α(N−1) + βN(N−1)) (Gunther, Guerrilla Capacity Planning, 2007).
//!
//! N/X is linear in 1/γ, α/γ and β/γ, which gives the start; Gauss-Newton with Levenberg-Marquardt damping then fits
//! ln X, since the noise of throughput is relative. α and β stay at or above 0 by fitting without those that would not.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::t;
use perfdeck_model::SplitMix64;

/// Bootstrap repetitions that a 95 % interval is usually taken from.
pub const REPEATS: usize = 500;

/// A fitted law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct UslFit {
    /// Throughput at N = 1, per second.
    pub gamma: f64,
    /// Contention: the share that is serial.
    pub alpha: f64,
    /// Coherency: the cost of agreeing with each other, which makes throughput fall.
    pub beta: f64,
    /// Scatter around the fit, as a relative standard deviation.
    pub scatter: f64,
    /// N with the highest throughput, √((1 − α)/β); `None` without coherency cost: throughput never falls.
    pub peak_n: Option<f64>,
    /// The highest throughput, per second: at the peak, or the limit γ/α; `None` when it grows without limit.
    pub capacity: Option<f64>,
}

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Bounds {
    /// Lower end.
    pub low: f64,
    /// Upper end; `None` when the data set no upper limit.
    pub high: Option<f64>,
}

impl Bounds {
    /// The smallest interval that holds both.
    #[must_use]
    pub fn hull(&self, other: &Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.zip(other.high).map(|(a, b)| a.max(b)) }
    }
}

/// How well the fit is known, by residual bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct UslInterval {
    /// Interval of the capacity, per second.
    pub capacity: Bounds,
    /// Interval of the N at the peak.
    pub peak_n: Bounds,
}

impl UslFit {
    /// Throughput at concurrency `n`, per second.
    pub fn at(&self, n: f64) -> f64 {
        self.gamma * n / (1.0 + self.alpha * (n - 1.0) + self.beta * n * (n - 1.0))
    }

    fn from_terms(c: [f64; 3], scatter: f64) -> Self {
        let (gamma, alpha, beta) = (1.0 / c[0], c[1] / c[0], c[2] / c[0]);
        let peak_n = (beta > 0.0).then(|| ((1.0 - alpha).max(0.0) / beta).sqrt().max(1.0));
        let mut fit = Self { gamma, alpha, beta, scatter, peak_n, capacity: None };
        fit.capacity = match peak_n {
            Some(n) => Some(fit.at(n)),
            None => (alpha > 0.0).then(|| (gamma / alpha).max(gamma)),
        };
        fit
    }
}

/// The three terms that N/X is a sum of.
fn terms(n: f64) -> [f64; 3] {
    [1.0, n - 1.0, n * (n - 1.0)]
}

fn sum(c: &[f64; 3], n: f64) -> f64 {
    terms(n).iter().zip(c).map(|(t, c)| t * c).sum()
}

/// Fits (concurrency, throughput per second) pairs. `None` with fewer than three different concurrencies, or values
/// that are not above 0 (concurrency: not below 1).
pub fn fit(points: &[(f64, f64)]) -> Option<UslFit> {
    let mut different: Vec<f64> = points.iter().map(|p| p.0).collect();
    different.sort_by(f64::total_cmp);
    different.dedup();
    if different.len() < 3 || points.iter().any(|(n, x)| !(n.is_finite() && x.is_finite() && *n >= 1.0 && *x > 0.0)) {
        return None;
    }
    let subsets: [&[usize]; 4] = [&[0, 1, 2], &[0, 1], &[0, 2], &[0]];
    let (error, c) =
        subsets.into_iter().filter_map(|active| fit_terms(points, active)).min_by(|a, b| a.0.total_cmp(&b.0))?;
    let free = points.len().saturating_sub(3).max(1) as f64;
    Some(UslFit::from_terms(c, (error / free).sqrt()))
}

/// Squared error of ln X under terms c; infinite where the law is not positive.
fn error(points: &[(f64, f64)], c: &[f64; 3]) -> f64 {
    points
        .iter()
        .map(|(n, x)| {
            let s = sum(c, *n);
            if s > 0.0 { (n / x / s).ln().powi(2) } else { f64::INFINITY }
        })
        .sum()
}

/// The best terms using only the active ones, with their squared error; `None` where one of them is negative.
fn fit_terms(points: &[(f64, f64)], active: &[usize]) -> Option<(f64, [f64; 3])> {
    // Linear start: N/X weighted by its inverse square, so that errors are relative.
    let row = |n: f64, scale: f64| {
        let mut row = [0.0; 3];
        for &i in active {
            row[i] = terms(n)[i] / scale;
        }
        row
    };
    let mut rows: Vec<([f64; 3], f64)> = points.iter().map(|(n, x)| (row(*n, n / x), 1.0)).collect();
    let mut c = solve(&rows, 0.0)?;
    let mut best = error(points, &c);
    if !best.is_finite() {
        // A start outside of the law: no contention at all at the lowest throughput per user.
        let most = points.iter().map(|(n, x)| n / x).fold(0.0, f64::max);
        c = [most, 0.0, 0.0];
        best = error(points, &c);
    }
    let mut damping = 1e-3;
    for _ in 0..100 {
        rows.clear();
        rows.extend(points.iter().map(|(n, x)| {
            let s = sum(&c, *n);
            (row(*n, s), (n / x / s).ln())
        }));
        let Some(step) = solve(&rows, damping) else { break };
        let next = [c[0] + step[0], c[1] + step[1], c[2] + step[2]];
        let next_error = error(points, &next);
        if next_error <= best {
            let gain = best - next_error;
            (c, best, damping) = (next, next_error, damping * 0.3);
            if gain <= 1e-14 * best.max(1e-20) {
                break;
            }
        } else {
            damping *= 10.0;
            if damping > 1e12 {
                break;
            }
        }
    }
    (c[0] > 0.0 && c[1] >= 0.0 && c[2] >= 0.0 && best.is_finite()).then_some((best, c))
}

/// Least squares of `row · v = target` with Marquardt damping, by scaled normal equations and elimination. Columns of
/// zeros get a 0.
fn solve(rows: &[([f64; 3], f64)], damping: f64) -> Option<[f64; 3]> {
    let mut scale = [0.0; 3];
    for (r, _) in rows {
        (0..3).for_each(|i| scale[i] += r[i] * r[i]);
    }
    let scale = scale.map(|s: f64| if s > 0.0 { s.sqrt() } else { 1.0 });
    let mut m = [[0.0; 4]; 3];
    for (r, target) in rows {
        for i in 0..3 {
            for j in 0..3 {
                m[i][j] += r[i] * r[j] / (scale[i] * scale[j]);
            }
            m[i][3] += r[i] * target / scale[i];
        }
    }
    for (i, line) in m.iter_mut().enumerate() {
        line[i] = if line[i] == 0.0 { 1.0 } else { line[i] * (1.0 + damping) };
    }
    for i in 0..3 {
        let pivot = (i..3).max_by(|&a, &b| m[a][i].abs().total_cmp(&m[b][i].abs()))?;
        m.swap(i, pivot);
        if m[i][i].abs() < 1e-14 {
            return None;
        }
        let lead = m[i];
        for line in m.iter_mut().skip(i + 1) {
            let factor = line[i] / lead[i];
            for (v, l) in line.iter_mut().zip(&lead) {
                *v -= factor * l;
            }
        }
    }
    let mut v = [0.0; 3];
    for i in (0..3).rev() {
        let known: f64 = (i + 1..3).map(|j| m[i][j] * v[j]).sum();
        v[i] = (m[i][3] - known) / m[i][i];
    }
    Some([v[0] / scale[0], v[1] / scale[1], v[2] / scale[2]])
}

/// Fits to `repeats` times redrawn points: the fit plus its own residuals in random places. Empty with fewer than five points.
pub fn bootstrap(points: &[(f64, f64)], fit: &UslFit, seed: u64, repeats: usize) -> Vec<UslFit> {
    redrawn(points, |n| fit.at(n), seed, repeats, self::fit)
}

/// The same for any law of three parameters, by its throughput at a concurrency and what fits it.
///
/// Residuals are inflated by √(n / (n − 3)) for the three parameters they were fitted with and by
/// t(n − 3) / z at 97.5 %, without which so few points cover only about 80 %. Empty with fewer than five points.
pub(crate) fn redrawn<T>(
    points: &[(f64, f64)],
    at: impl Fn(f64) -> f64,
    seed: u64,
    repeats: usize,
    fit: impl Fn(&[(f64, f64)]) -> Option<T>,
) -> Vec<T> {
    let n = points.len();
    if n < 5 {
        return Vec::new();
    }
    let free = (n - 3) as f64;
    let inflate = (n as f64 / free).sqrt() * t::quantile(0.975, free) / t::normal_quantile(0.975);
    let residuals: Vec<f64> = points.iter().map(|(n, x)| (x / at(*n)).ln() * inflate).collect();
    let mut rng = SplitMix64::seeded(seed);
    (0..repeats)
        .filter_map(|_| {
            let redrawn: Vec<(f64, f64)> =
                points.iter().map(|(n, _)| (*n, at(*n) * residuals[rng.index(residuals.len())].exp())).collect();
            fit(&redrawn)
        })
        .collect()
}

/// Where 95 % of further measurements at concurrency `n` would lie: redrawn fits with the scatter of single points around
/// the law, so that it is no narrower than what the law leaves unexplained. `None` where the bootstrap is empty.
pub fn further(points: &[(f64, f64)], fit: &UslFit, redrawn: &[UslFit], n: f64, seed: u64) -> Option<Bounds> {
    let residuals: Vec<f64> = points.iter().map(|(n, x)| (x / fit.at(*n)).ln()).collect();
    // Other draws than those of the fits.
    let mut rng = SplitMix64::seeded(seed ^ 0x9e37_79b9);
    range(redrawn.iter().map(|f| Some(f.at(n) * residuals[rng.index(residuals.len())].exp())))
}

/// The middle 95 % of values; those without a limit count as the largest. `None` with fewer than 100 values.
pub fn range(values: impl Iterator<Item = Option<f64>>) -> Option<Bounds> {
    let mut sorted: Vec<f64> = values.map(|v| v.unwrap_or(f64::INFINITY)).collect();
    if sorted.len() < 100 {
        return None;
    }
    sorted.sort_by(f64::total_cmp);
    let last = (sorted.len() - 1) as f64;
    let at = |q: f64| sorted[(q * last).round() as usize];
    at(0.025).is_finite().then(|| Bounds { low: at(0.025), high: Some(at(0.975)).filter(|v| v.is_finite()) })
}

/// Intervals of capacity and peak from redrawn fits.
pub fn intervals(redrawn: &[UslFit]) -> Option<UslInterval> {
    Some(UslInterval {
        capacity: range(redrawn.iter().map(|f| f.capacity))?,
        peak_n: range(redrawn.iter().map(|f| f.peak_n)).unwrap_or(Bounds { low: 1.0, high: None }),
    })
}

#[cfg(test)]
#[path = "tests/usl.rs"]
mod tests;

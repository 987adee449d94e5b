//! Effects as log ratios: paired-t and Welch intervals, the exact sign-flip test, Holm's correction, pairs needed.
//!
//! The unit of all of it is the *run*, never the request: requests of one run are correlated, and tests on them raise
//! 76 % false alarms (docs/benchmarks.md, 7.1). Logs make a ratio and its inverse equally far from "no change".
use super::t;
use perfdeck_model::SplitMix64;

/// Sign flips drawn when all of them would be too many (docs/benchmarks.md, 7.2.6: 20k above 16 pairs).
const FLIPS: u32 = 20_000;
/// The largest number of pairs whose sign flips are all counted (docs/benchmarks.md, 7.2.6).
const EXACT: usize = 16;
/// Normal quantiles of a 5 % two-sided test and 80 % power together, 1.96 + 0.84 (docs/benchmarks.md, 7.2.7).
const POWER: f64 = 2.8;

/// An effect on the log scale with its interval. `mean` is 0 for no change; `exp(mean) − 1` is the relative change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogInterval {
    /// Estimate: mean of the log ratios, or difference of the mean logs.
    pub mean: f64,
    /// Lower end; −∞ when too few runs say anything.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Standard error of `mean`.
    pub se: f64,
    /// Degrees of freedom of the t distribution used.
    pub df: f64,
}

impl LogInterval {
    /// The interval `mean ± t(1 − alpha/2, df) · se`.
    pub fn new(mean: f64, se: f64, df: f64, alpha: f64) -> Self {
        // Without scatter the interval is a point, unless nothing is known about the scatter.
        let half = if df > 0.0 && se == 0.0 { 0.0 } else { t::quantile(1.0 - alpha / 2.0, df) * se };
        let half = if half.is_nan() { f64::INFINITY } else { half };
        Self { mean, low: mean - half, high: mean + half, se, df }
    }

    /// The same interval with `by` more on either side (log units).
    #[must_use]
    pub fn widened(self, by: f64) -> Self {
        Self { low: self.low - by.abs(), high: self.high + by.abs(), ..self }
    }

    /// Whether 0, no change, lies outside.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// Relative change: (estimate, low, high) as ratio − 1, so −0.31 is −31 %.
    pub fn ratios(&self) -> (f64, f64, f64) {
        (self.mean.exp_m1(), self.low.exp_m1(), self.high.exp_m1())
    }
}

/// Arithmetic mean; 0 for nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Sum of squared distances from the mean.
pub(super) fn squares(values: &[f64]) -> f64 {
    let m = mean(values);
    values.iter().map(|v| (v - m).powi(2)).sum()
}

/// Sample standard deviation (n − 1); 0 for fewer than two values.
pub fn sd(values: &[f64]) -> f64 {
    if values.len() < 2 { 0.0 } else { (squares(values) / (values.len() - 1) as f64).sqrt() }
}

/// The middle value, or the mean of the two middle ones; `None` for nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => sorted.get(middle).copied(),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The paired-t interval of log ratios d, d = ln(B / A), at confidence 1 − alpha (docs/benchmarks.md, 7.2.6).
pub fn paired_t(d: &[f64], alpha: f64) -> LogInterval {
    let k = d.len() as f64;
    LogInterval::new(mean(d), sd(d) / k.max(1.0).sqrt(), (k - 1.0).max(0.0), alpha)
}

/// Welch's interval of the difference of two unpaired sets of logs, mean(b) − mean(a), at confidence 1 − alpha.
pub fn welch(a: &[f64], b: &[f64], alpha: f64) -> LogInterval {
    let part = |v: &[f64]| sd(v).powi(2) / (v.len() as f64).max(1.0);
    let (va, vb) = (part(a), part(b));
    let df = if a.len() < 2 || b.len() < 2 {
        0.0
    } else if va + vb == 0.0 {
        (a.len() + b.len() - 2) as f64
    } else {
        (va + vb).powi(2) / (va.powi(2) / (a.len() - 1) as f64 + vb.powi(2) / (b.len() - 1) as f64)
    };
    LogInterval::new(mean(b) - mean(a), (va + vb).sqrt(), df, alpha)
}

/// Two-sided p of the sign-flip test: under no difference each d is as likely to be −d.
///
/// All 2^K flips up to 16 pairs, 20,000 drawn with `seed` above (the p then counts the observed one too, so it is
/// never 0). The smallest p of K pairs is 2 / 2^K. 1 for nothing.
pub fn sign_flip_p(d: &[f64], seed: u64) -> f64 {
    let observed = d.iter().sum::<f64>().abs();
    let scale: f64 = d.iter().map(|v| v.abs()).sum();
    if d.is_empty() || scale == 0.0 || !scale.is_finite() {
        return 1.0;
    }
    // Sums in another order differ in the last digits; a tie counts as "at least as large".
    let limit = observed - 1e-12 * scale;
    if d.len() <= EXACT {
        // Flipping every sign leaves |sum|, so the first sign stays and half of the flips stand for all. Sums of both
        // halves of the values are added, which takes one addition per flip.
        let (near, far) = d.split_at(d.len().div_ceil(2));
        let near = signed_sums(&near[1..], near[0]);
        let far = signed_sums(far, 0.0);
        let extreme: usize = near.iter().map(|x| far.iter().filter(|y| (x + **y).abs() >= limit).count()).sum();
        return extreme as f64 / (near.len() * far.len()) as f64;
    }
    let mut rng = SplitMix64::seeded(seed);
    let mut extreme = 0_u32;
    for _ in 0..FLIPS {
        let mut sum = 0.0;
        for chunk in d.chunks(64) {
            let bits = rng.next_u64();
            sum += chunk.iter().enumerate().map(|(i, v)| if bits >> i & 1 == 1 { -v } else { *v }).sum::<f64>();
        }
        extreme += u32::from(sum.abs() >= limit);
    }
    f64::from(extreme + 1) / f64::from(FLIPS + 1)
}

/// `start` with every value added or subtracted: 2^n sums.
fn signed_sums(values: &[f64], start: f64) -> Vec<f64> {
    let mut sums = vec![start];
    for v in values {
        sums = sums.iter().flat_map(|s| [s + v, s - v]).collect();
    }
    sums
}

/// p values adjusted by Holm's step-down, in the order given: the i-th smallest of m is multiplied by m − i + 1, and
/// none is smaller than the one before it. Comparing with alpha keeps the family's error rate at alpha.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let mut adjusted = vec![1.0; p.len()];
    let mut floor: f64 = 0.0;
    for (rank, &i) in order.iter().enumerate() {
        floor = floor.max((p[i] * (p.len() - rank) as f64).min(1.0));
        adjusted[i] = floor;
    }
    adjusted
}

/// The fewest pairs whose sign-flip p can pass `alpha` after Holm's correction over `metrics` primary metrics:
/// metrics · 2 / 2^K ≤ alpha. 6 for one metric at 5 %, 7 for two.
pub fn fewest_pairs(alpha: f64, metrics: usize) -> u32 {
    (1..=60).find(|&k| 2.0 * metrics.max(1) as f64 / (1_u64 << k) as f64 <= alpha).unwrap_or(60)
}

/// Pairs that find an effect of `delta` (relative, such as 0.1) with 80 % power when the log ratios scatter by `sd_d`:
/// (2.8 · `sd_d` / ln(1 + delta))², rounded up (docs/benchmarks.md, 7.2.7).
pub fn pairs_needed(sd_d: f64, delta: f64) -> u32 {
    let n = (POWER * sd_d / delta.ln_1p()).powi(2).ceil();
    // A float cast saturates, and NaN becomes 0.
    (n.min(1e6) as u32).max(1)
}

/// "About N more pairs" after an inconclusive comparison of `d` with minimum effect `delta`.
///
/// [`pairs_needed`] less those done. Where these already suffice for 80 % power and the interval still holds both 0
/// and ±delta, the number that shrinks it (as 1/√K) past the nearer decision. At least what the exact test needs.
pub fn more_pairs(d: &[f64], delta: f64, alpha: f64, metrics: usize) -> Option<u32> {
    let done = d.len() as u32;
    if done < 2 {
        return None;
    }
    let mut needed = pairs_needed(sd(d), delta);
    if needed <= done {
        let interval = paired_t(d, alpha);
        let half = interval.high - interval.mean;
        let distance = interval.mean.abs().max(delta.ln_1p() - interval.mean.abs());
        if distance > 0.0 {
            needed = (f64::from(done) * (half / distance).powi(2)).ceil().min(1e6) as u32;
        }
    }
    Some(needed.max(fewest_pairs(alpha, metrics)).saturating_sub(done).max(1))
}

#[cfg(test)]
#[path = "tests/paired.rs"]
mod tests;

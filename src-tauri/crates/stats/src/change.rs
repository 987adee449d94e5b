//! Change points: where the level of a series shifts for good (docs/benchmarks.md, 7.2.11).
//!
//! Otava's scheme: windows of 50 are split where the energy statistic between both parts is largest (E-Divisive, Matteson
//! and James, arXiv:1306.4933), splits with a weak p of 0.01 in a t-test are kept, then the weakest are merged away
//! until all that stay have p < 0.001 and a change of at least 3 % (arXiv:2301.03034). The t-test in place of
//! permutations makes it deterministic. O(n²) per window.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::paired::{mean, squares};
use super::t;

/// Shortest level over saved runs: with fewer, one outlier is a level.
const SIDE: usize = 3;
/// Shortest level within a run, in seconds: neighbours depend on each other, so three of them say too little.
const SIDE_CORRELATED: usize = 5;

impl ChangeOptions {
    fn side(&self) -> usize {
        if self.correlated { SIDE_CORRELATED } else { SIDE }
    }
}

/// How to look for change points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ChangeOptions {
    /// Length of a window, in samples.
    pub window: u32,
    /// p below which a split is tried.
    pub weak_p: f64,
    /// p below which it stays.
    pub p: f64,
    /// Smallest relative change that stays.
    pub magnitude: f64,
    /// Compare logs, so that changes are ratios; used when all values are positive.
    pub logs: bool,
    /// The samples are neighbours in time (seconds of a run), so the t-test counts only as many as are independent.
    pub correlated: bool,
}

impl ChangeOptions {
    /// For a metric over saved runs: window 50, p 0.01 then 0.001, magnitude 3 % (docs/benchmarks.md, 7.2.11).
    pub const HISTORY: Self =
        Self { window: 50, weak_p: 0.01, p: 0.001, magnitude: 0.03, logs: true, correlated: false };
    /// The same for seconds within a run, which depend on each other.
    pub const WITHIN_RUN: Self = Self { correlated: true, ..Self::HISTORY };
}

/// A shift of the level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ChangePoint {
    /// Position of the first sample at the new level.
    pub index: u32,
    /// Level before, in the series' unit (geometric mean on logs), since the change point before it.
    pub before: f64,
    /// Level after, up to the next change point.
    pub after: f64,
    /// Relative change: 0.12 is 12 % up. `None` when the level before was 0, which has no ratio.
    pub change: Option<f64>,
    /// p of the t-test between both levels.
    pub p: f64,
}

/// The change points of a series, ascending. Values that are not finite are skipped.
pub fn change_points(values: &[f64], options: &ChangeOptions) -> Vec<ChangePoint> {
    let (positions, mut series): (Vec<usize>, Vec<f64>) =
        values.iter().copied().enumerate().filter(|(_, v)| v.is_finite()).unzip();
    let logs = options.logs && series.iter().all(|v| *v > 0.0);
    if logs {
        series.iter_mut().for_each(|v| *v = v.ln());
    }
    let rho = if options.correlated { neighbours(&series) } else { 0.0 };
    let mut points = weak_points(&series, options, rho);
    // Remove the weakest until all that stay are strong; each removal changes its neighbours.
    loop {
        let tested: Vec<Level> = (0..points.len()).map(|i| level(&series, &points, i, rho, logs)).collect();
        let weakest =
            tested.iter().enumerate().max_by(|a, b| a.1.p.total_cmp(&b.1.p)).filter(|(_, l)| l.p >= options.p);
        let weakest = weakest.or_else(|| {
            let smallest = tested.iter().enumerate().min_by(|a, b| a.1.size.total_cmp(&b.1.size));
            smallest.filter(|(_, l)| l.size < options.magnitude.ln_1p())
        });
        let Some((weakest, _)) = weakest else {
            return points
                .iter()
                .zip(&tested)
                .map(|(&at, l)| ChangePoint {
                    index: positions[at] as u32,
                    before: l.before,
                    after: l.after,
                    change: Some(l.change).filter(|c| c.is_finite()),
                    p: l.p,
                })
                .collect();
        };
        points.remove(weakest);
    }
}

struct Level {
    before: f64,
    after: f64,
    change: f64,
    /// |ln(after / before)|, so that up and down count alike.
    size: f64,
    p: f64,
}

fn level(series: &[f64], points: &[usize], i: usize, rho: f64, logs: bool) -> Level {
    let start = if i == 0 { 0 } else { points[i - 1] };
    let end = points.get(i + 1).copied().unwrap_or(series.len());
    let (left, right) = (&series[start..points[i]], &series[points[i]..end]);
    let p = t_test(left, right, rho);
    let (a, b) = (mean(left), mean(right));
    if logs {
        return Level { before: a.exp(), after: b.exp(), change: (b - a).exp_m1(), size: (b - a).abs(), p };
    }
    let change = if a == b { 0.0 } else { (b - a) / a.abs() };
    let size = if a * b > 0.0 { (b / a).ln().abs() } else { change.abs() };
    Level { before: a, after: b, change, size, p }
}

/// Overlapping windows, each starting at the last change point found or half a window on.
fn weak_points(series: &[f64], options: &ChangeOptions, rho: f64) -> Vec<usize> {
    let window = (options.window as usize).max(2 * options.side());
    let mut found = Vec::new();
    let mut start = 0;
    while start < series.len() {
        let end = (start + window).min(series.len());
        let mut inside = Vec::new();
        divide(&series[start..end], options, rho, &mut inside);
        inside.sort_unstable();
        let next = inside.last().map_or(0, |i| start + i);
        found.extend(inside.into_iter().map(|i| start + i));
        if end == series.len() {
            break;
        }
        start = next.max(start + window / 2);
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Splits a window at its best point, then both parts, as long as the t-test says at least weakly that it is one.
fn divide(window: &[f64], options: &ChangeOptions, rho: f64, found: &mut Vec<usize>) {
    let mut parts = vec![(0, window.len())];
    while let Some((start, end)) = parts.pop() {
        let part = &window[start..end];
        let Some(at) = best_split(part, options.side()) else { continue };
        if t_test(&part[..at], &part[at..], rho) < options.weak_p {
            found.push(start + at);
            parts.push((start, start + at));
            parts.push((start + at, end));
        }
    }
}

/// The split with the largest energy statistic
/// mn/(m+n) · (2/(mn) Σ|x−y| − Σ|x−x'| / C(m,2) − Σ|y−y'| / C(n,2)).
fn best_split(part: &[f64], side: usize) -> Option<usize> {
    let n = part.len();
    if n < 2 * side {
        return None;
    }
    let distance = |x: f64, others: &[f64]| others.iter().map(|o| (x - o).abs()).sum::<f64>();
    let (mut between, mut left, mut right) = (0.0, 0.0, 0.0);
    for (i, x) in part.iter().enumerate() {
        right += distance(*x, &part[i + 1..]);
    }
    let mut best = None;
    let mut largest = 0.0;
    for (i, x) in part.iter().enumerate().take(n - side) {
        // x moves from the right part to the left one.
        let (to_left, to_right) = (distance(*x, &part[..i]), distance(*x, &part[i + 1..]));
        left += to_left;
        right -= to_right;
        between += to_right - to_left;
        let (m, k) = ((i + 1) as f64, (n - i - 1) as f64);
        if i + 1 < side {
            continue;
        }
        let pairs = |m: f64| m * (m - 1.0) / 2.0;
        let q = m * k / (m + k) * (2.0 * between / (m * k) - left / pairs(m) - right / pairs(k));
        if q > largest {
            largest = q;
            best = Some(i + 1);
        }
    }
    best
}

/// p of the pooled two-sample t-test, for samples whose neighbours correlate by `rho`.
fn t_test(left: &[f64], right: &[f64], rho: f64) -> f64 {
    let (m, n) = (left.len() as f64, right.len() as f64);
    if left.is_empty() || right.is_empty() || m + n < 3.0 {
        return 1.0;
    }
    let difference = mean(right) - mean(left);
    // Levels that differ by rounding only are the same.
    if difference.abs() <= 1e-12 * (mean(left).abs() + mean(right).abs()) {
        return 1.0;
    }
    let spread = squares(left) + squares(right);
    if spread == 0.0 {
        return 0.0;
    }
    let se = (spread / (m + n - 2.0) * (1.0 / m + 1.0 / n) * dependence(rho)).sqrt();
    t::two_sided_p(difference / se, freedom(m + n, rho).max(1.0))
}

/// How many samples of an AR(1) series say as much about its mean as one independent one: (1 + ρ)/(1 − ρ).
pub(super) fn dependence(rho: f64) -> f64 {
    (1.0 + rho) / (1.0 - rho)
}

/// Degrees of freedom of the variance of `n` such samples around two fitted parameters, n (1 − ρ²)/(1 + ρ²) − 2: what
/// they say about the variance falls more slowly than what they say about the mean.
pub(super) fn freedom(n: f64, rho: f64) -> f64 {
    n * (1.0 - rho * rho) / (1.0 + rho * rho) - 2.0
}

/// The lag-1 autocorrelation ρ of neighbours in a series that may have levels and trends, 0 to 0.9.
///
/// From differences, Var(x(i+2) − x(i)) / Var(x(i+1) − x(i)) = 1 + ρ, because differences hardly see levels and trends,
/// which an autocorrelation around the mean takes for correlation. The largest tenth is left out on both sides for the
/// steps that are looked for.
pub(super) fn neighbours(series: &[f64]) -> f64 {
    let variance = |lag: usize| {
        let mut d: Vec<f64> = series.iter().zip(series.iter().skip(lag)).map(|(a, b)| (b - a).powi(2)).collect();
        d.sort_by(f64::total_cmp);
        d.truncate(d.len() - d.len() / 10);
        mean(&d)
    };
    let (one, two) = (variance(1), variance(2));
    // ρ is itself only known to about 1/√n; too small a one would raise false alarms.
    let margin = 1.0 / (series.len() as f64).max(1.0).sqrt();
    if one > 0.0 { (two / one - 1.0 + margin).clamp(0.0, 0.9) } else { 0.0 }
}

/// A series with a name, for asking what moved first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct NamedSeries {
    /// What it measures.
    pub name: String,
    /// Time of each sample, in milliseconds, ascending.
    pub t_ms: Vec<f64>,
    /// Samples; `None` in gaps.
    pub values: Vec<Option<f64>>,
}

/// The first change of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Moved {
    /// Place in the order from 1; series that moved in the same second share it.
    pub rank: u32,
    /// The series.
    pub name: String,
    /// Time of the first sample at the new level, in milliseconds.
    pub t_ms: f64,
    /// The change.
    pub point: ChangePoint,
}

/// What moved first: the first change of each series at or after `from_ms`, in order of time. Order is not cause.
pub fn moved_first(series: &[NamedSeries], from_ms: f64) -> Vec<Moved> {
    let first = |s: &NamedSeries| {
        let values: Vec<f64> = s.values.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        change_points(&values, &ChangeOptions::WITHIN_RUN).into_iter().find_map(|point| {
            let t_ms = s.t_ms.get(point.index as usize).copied().filter(|t| *t >= from_ms)?;
            Some(Moved { rank: 0, name: s.name.clone(), t_ms, point })
        })
    };
    let mut moved: Vec<Moved> = series.iter().filter_map(first).collect();
    moved.sort_by(|a, b| a.t_ms.total_cmp(&b.t_ms).then_with(|| a.name.cmp(&b.name)));
    let (mut rank, mut last) = (0, f64::NEG_INFINITY);
    for (i, m) in moved.iter_mut().enumerate() {
        if m.t_ms - last >= 1000.0 {
            (rank, last) = (i as u32 + 1, m.t_ms);
        }
        m.rank = rank;
    }
    moved
}

#[cfg(test)]
#[path = "tests/change.rs"]
mod tests;

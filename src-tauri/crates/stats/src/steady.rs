//! Where warm-up ends: the run is steady when neither throughput nor median changes level any more
//! (docs/benchmarks.md, 7.2.3).
use perfdeck_words as words;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::change::{ChangeOptions, change_points, dependence, freedom, neighbours};
use super::paired::{mean, squares};
use super::t::two_sided_p;

/// Shortest warm-up, in seconds.
pub const MIN_S: u32 = 10;
/// Smallest drift over the kept part that counts, as a relative change: the largest default minimum effect.
const TREND: f64 = 0.10;
/// Longest warm-up, as a share of the run.
pub const MAX_SHARE: f64 = 0.25;

/// Whether and from when on a run is steady.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Steadiness {
    /// Steady after this many seconds, which are dropped.
    Steady {
        /// Length of the warm-up, in seconds.
        drop_s: u32,
    },
    /// The level still changed after the longest warm-up: no verdict.
    NonStationary {
        /// The last change, in seconds from the start.
        last_change_s: u32,
        /// What changed, in words.
        text: String,
    },
    /// Too short to hold 10 s of warm-up within a quarter of it; use a fixed warm-up.
    TooShort {
        /// Length needed, in seconds.
        needed_s: u32,
    },
}

/// Finds the end of warm-up in 1-s windows: successful responses per second, and the median response time in
/// milliseconds (`None` in seconds without any). Both series start at the first request.
///
/// Otava's parameters on logs, with the t-test corrected for the dependence of neighbouring seconds, and changes of
/// less than 3 % ignored. What is kept must have no significant trend of 10 % or more either. At least 10 s and at most 25 % of the run are dropped.
pub fn warm_up_end(rates: &[f64], p50_ms: &[Option<f64>]) -> Steadiness {
    let seconds = rates.len().max(p50_ms.len());
    if (seconds as f64) * MAX_SHARE < f64::from(MIN_S) {
        return Steadiness::TooShort { needed_s: (f64::from(MIN_S) / MAX_SHARE).ceil() as u32 };
    }
    let medians: Vec<f64> = p50_ms.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
    // Two series are watched, so each has half of the error rate.
    let options = ChangeOptions { p: ChangeOptions::WITHIN_RUN.p / 2.0, ..ChangeOptions::WITHIN_RUN };
    let last = |values: &[f64]| change_points(values, &options).last().copied();
    let changes = [("throughput", last(rates)), ("p50", last(&medians))];
    let latest = changes.into_iter().filter_map(|(name, point)| point.map(|p| (name, p))).max_by_key(|(_, p)| p.index);
    let not_steady = |at: u32, name: &str, change: f64| {
        let change = words::percent(change);
        let text = format!("{name} still changed by {change} after {at} s of {seconds} s");
        Steadiness::NonStationary { last_change_s: at, text }
    };
    if let Some((name, point)) = latest.filter(|(_, p)| f64::from(p.index) > seconds as f64 * MAX_SHARE) {
        return not_steady(point.index, name, point.change.unwrap_or(f64::INFINITY));
    }
    let drop_s = latest.map_or(MIN_S, |(_, p)| p.index.max(MIN_S));
    for (name, values) in [("throughput", rates), ("p50", &medians)] {
        if let Some(change) = trend(values.get(drop_s as usize..).unwrap_or_default(), options.p) {
            return not_steady(drop_s, name, change);
        }
    }
    Steadiness::Steady { drop_s }
}

/// Seconds without a change of level that a warm-up needs to end by itself.
const CALM: usize = 10;

/// Seconds that are needed to tell whether a measured time was steady.
pub const SHORTEST: usize = 20;

/// Whether `calm` holds for the rates and for the medians. Two series are watched, so each has half of the error rate.
fn both(rates: &[f64], p50_ms: &[Option<f64>], calm: impl Fn(&[f64], &ChangeOptions) -> bool) -> bool {
    let medians: Vec<f64> = p50_ms.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
    let options = ChangeOptions { p: ChangeOptions::WITHIN_RUN.p / 2.0, ..ChangeOptions::WITHIN_RUN };
    calm(rates, &options) && calm(&medians, &options)
}

/// Whether a warm-up that is going on can end: at least 10 s ran, and the last ten had no change of level and no trend.
pub fn settled(rates: &[f64], p50_ms: &[Option<f64>]) -> bool {
    rates.len() >= CALM
        && both(rates, p50_ms, |values, options| {
            let calm_from = values.len().saturating_sub(CALM);
            let last = values.get(calm_from..).unwrap_or_default();
            let changed = change_points(values, options).last().is_some_and(|p| p.index as usize > calm_from);
            !changed && !moves(last) && trend(last, options.p).is_none()
        })
}

/// Whether the second half lies [`TREND`] or more above or below the first. Neighbouring seconds of a smooth climb are so
/// alike that no test has enough independent values to call it significant; its size alone tells.
fn moves(values: &[f64]) -> bool {
    let middle = |half: &[f64]| {
        let mut sorted: Vec<f64> = half.iter().copied().filter(|v| v.is_finite() && *v > 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    };
    let (first, second) = values.split_at(values.len() / 2);
    match (middle(first), middle(second)) {
        (Some(first), Some(second)) => (second / first).ln().abs() >= TREND.ln_1p(),
        _ => false,
    }
}

/// Whether a measured time had no change of level and no trend.
pub fn holds(rates: &[f64], p50_ms: &[Option<f64>]) -> bool {
    both(rates, p50_ms, |values, options| {
        change_points(values, options).is_empty() && !moves(values) && trend(values, options.p).is_none()
    })
}

/// The relative change over a series that grows or falls throughout, if it is significant at `p` and at least
/// [`TREND`]. Change points see steps; a slow drift has none that stands out of correlated noise.
fn trend(values: &[f64], p: f64) -> Option<f64> {
    let logs: Vec<f64> = values.iter().filter(|v| v.is_finite() && **v > 0.0).map(|v| v.ln()).collect();
    let n = logs.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let sxx = n * (n * n - 1.0) / 12.0;
    let m = mean(&logs);
    let slope = logs.iter().enumerate().map(|(i, y)| (i as f64 - middle) * (y - m)).sum::<f64>() / sxx;
    let rho = neighbours(&logs);
    let df = freedom(n, rho);
    if slope == 0.0 || !slope.is_finite() || df < 2.0 {
        return None;
    }
    let residual = (squares(&logs) - slope * slope * sxx).max(0.0);
    let se = (residual / (n - 2.0) / sxx * dependence(rho)).sqrt();
    let change = slope * (n - 1.0);
    (two_sided_p(slope / se, df) < p && change.abs() >= TREND.ln_1p()).then(|| change.exp_m1())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normal::Normal as _;
    use perfdeck_model::SplitMix64;

    /// Throughput and median of `n` seconds; `level` gives the relative level of throughput at a second.
    fn run(n: u32, seed: u64, level: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<Option<f64>>) {
        let mut rng = SplitMix64::seeded(seed);
        let mut x = 0.0;
        (0..n)
            .map(|i| {
                // AR(1) blocks of 100 ms with ρ 0.9 leave about 0.35 between seconds.
                x = 0.35 * x + rng.normal() * 0.94;
                let level = level(f64::from(i)) * (0.04 * x).exp();
                (1000.0 * level, Some(10.0 / level * (0.01 * rng.normal()).exp()))
            })
            .unzip()
    }

    #[test]
    fn a_steady_run_drops_the_shortest_warm_up() {
        let steady = (0..200)
            .filter(|&seed| {
                let (rates, p50) = run(120, seed, |_| 1.0);
                warm_up_end(&rates, &p50) == Steadiness::Steady { drop_s: MIN_S }
            })
            .count();
        assert!(steady >= 190, "at most 5 % of 200 steady runs are taken for anything else: {steady}");
    }

    #[test]
    fn a_step_and_a_slow_start_are_dropped() {
        for seed in 0..20 {
            let (rates, p50) = run(120, seed, |s| if s < 18.0 { 0.6 } else { 1.0 });
            let Steadiness::Steady { drop_s } = warm_up_end(&rates, &p50) else {
                panic!("a step at 18 s lies within a quarter of 120 s, seed {seed}");
            };
            assert!((17..=19).contains(&drop_s), "the step at 18 s ends the warm-up: {drop_s}, seed {seed}");
            let (rates, p50) = run(240, seed, |s| 1.0 - 0.5 * (-s / 8.0).exp());
            let Steadiness::Steady { drop_s } = warm_up_end(&rates, &p50) else {
                panic!("an exponential start with 8 s is over within 60 s, seed {seed}");
            };
            assert!((10..=45).contains(&drop_s), "most of it is over after some time constants: {drop_s}, seed {seed}");
        }
    }

    #[test]
    fn late_changes_and_drift_are_not_stationary() {
        for seed in 0..20 {
            let (rates, p50) = run(120, seed, |s| if s < 70.0 { 1.0 } else { 0.8 });
            let Steadiness::NonStationary { last_change_s, text } = warm_up_end(&rates, &p50) else {
                panic!("a fall at 70 of 120 s, seed {seed}");
            };
            assert!(last_change_s.abs_diff(70) <= 2, "the change is placed: {last_change_s}, seed {seed}");
            assert!(text.contains("after ") && text.ends_with("of 120 s"), "and told: {text}");
            let (rates, p50) = run(120, seed, |s| 1.0 - 0.004 * s);
            let drifting = warm_up_end(&rates, &p50);
            assert!(matches!(drifting, Steadiness::NonStationary { .. }), "48 % of drift: {drifting:?}, seed {seed}");
        }
    }

    #[test]
    fn short_runs_and_gaps() {
        assert_eq!(
            warm_up_end(&[1.0; 39], &[]),
            Steadiness::TooShort { needed_s: 40 },
            "10 s are over a quarter of 39"
        );
        let (mut rates, mut p50) = run(60, 1, |_| 1.0);
        p50[30] = None;
        rates[30] = 0.0;
        assert_eq!(warm_up_end(&rates, &p50), Steadiness::Steady { drop_s: 10 }, "one silent second is not a level");
    }

    #[test]
    fn a_warm_up_settles_only_after_the_climb() {
        let wobble = |i: u32| 1.0 + 0.01 * f64::from(i * 7 % 5);
        let climb: Vec<f64> = (0..12).map(|i| wobble(i) * 100.0 * f64::from(i + 1)).collect();
        let medians = |n: usize| vec![Some(5.0); n];
        assert!(!settled(&climb, &medians(climb.len())), "it still climbs");
        let calm: Vec<f64> = climb.iter().copied().chain((0..14).map(|i| wobble(i) * 1_200.0)).collect();
        assert!(settled(&calm, &medians(calm.len())), "then it does not");
        assert!(!settled(&calm[..9], &medians(9)), "nine seconds are too few");
        assert!(!holds(&calm, &medians(calm.len())), "as a measured time the climb is part of it");
        assert!(holds(&calm[12..], &medians(14)), "what came after is not");
    }
}

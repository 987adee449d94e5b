use super::*;
use crate::normal::Normal as _;
use perfdeck_model::SplitMix64;

/// 100 · exp(noise) with AR(1) noise of standard deviation `sd`, shifted by `steps` (position, ratio).
fn series(n: usize, sd: f64, rho: f64, steps: &[(usize, f64)], rng: &mut SplitMix64) -> Vec<f64> {
    let mut x = 0.0;
    (0..n)
        .map(|i| {
            x = rho * x + rng.normal() * (1.0 - rho * rho).sqrt();
            let shift: f64 = steps.iter().filter(|(at, _)| i >= *at).map(|(_, ratio)| ratio.ln()).sum();
            100.0 * (sd * x + shift).exp()
        })
        .collect()
}

#[test]
fn shifts_are_found_where_they_are() {
    let mut rng = SplitMix64::seeded(1);
    let mut close = 0;
    for _ in 0..100 {
        let found = change_points(&series(80, 0.03, 0.0, &[(50, 1.10)], &mut rng), &ChangeOptions::HISTORY);
        close += u32::from(
            found.iter().any(|p| p.index.abs_diff(50) <= 1 && p.change.is_some_and(|c| (c - 0.10).abs() < 0.04)),
        );
    }
    assert!(close >= 90, "a 10 % shift in 3 % noise is placed within one run, {close} of 100");
    let values = series(150, 0.01, 0.0, &[(40, 1.2), (100, 0.7)], &mut rng);
    let found: Vec<u32> = change_points(&values, &ChangeOptions::HISTORY).iter().map(|p| p.index).collect();
    assert_eq!(found, [40, 100], "two shifts over three windows, each at its place");
    assert_eq!(
        change_points(&values, &ChangeOptions::HISTORY),
        change_points(&values, &ChangeOptions::HISTORY),
        "deterministic: a t-test instead of permutations"
    );
}

#[test]
fn noise_has_none() {
    let mut rng = SplitMix64::seeded(2);
    for (n, sd, rho, options) in [
        (60, 0.03, 0.0, ChangeOptions::HISTORY),
        (60, 0.10, 0.0, ChangeOptions::HISTORY),
        (120, 0.05, 0.35, ChangeOptions::WITHIN_RUN),
        (120, 0.10, 0.6, ChangeOptions::WITHIN_RUN),
    ] {
        let false_alarms =
            (0..200).filter(|_| !change_points(&series(n, sd, rho, &[], &mut rng), &options).is_empty()).count();
        assert!(false_alarms <= 10, "at most 5 % of 200 series of {n} with sd {sd}, ρ {rho}: {false_alarms}");
    }
}

#[test]
fn small_or_single_deviations_are_no_change() {
    let mut rng = SplitMix64::seeded(3);
    let values = series(100, 0.001, 0.0, &[(50, 1.02)], &mut rng);
    assert!(
        change_points(&values, &ChangeOptions::HISTORY).is_empty(),
        "2 % is below the magnitude of 3 %, however sure"
    );
    let mut outlier = series(60, 0.01, 0.0, &[], &mut rng);
    outlier[30] = 300.0;
    assert!(change_points(&outlier, &ChangeOptions::HISTORY).is_empty(), "one slow run is not a level");
    assert!(change_points(&[5.0; 40], &ChangeOptions::HISTORY).is_empty(), "a constant does not change");
    assert!(change_points(&[1.0, 2.0], &ChangeOptions::HISTORY).is_empty(), "two runs have no levels");
}

#[test]
fn zeros_and_gaps_are_handled() {
    let mut values = vec![0.0; 30];
    values.extend(vec![4.0; 30]);
    let found = change_points(&values, &ChangeOptions::WITHIN_RUN);
    assert_eq!(found.len(), 1, "errors that start are a change");
    assert_eq!((found[0].index, found[0].change), (30, None), "from nothing there is no ratio");
    values.insert(10, f64::NAN);
    assert_eq!(change_points(&values, &ChangeOptions::WITHIN_RUN)[0].index, 31, "a gap keeps the positions");
}

#[test]
fn scale_does_not_matter_and_reversal_mirrors() {
    let mut rng = SplitMix64::seeded(4);
    let values = series(90, 0.02, 0.0, &[(30, 1.3), (60, 0.8)], &mut rng);
    let scaled: Vec<f64> = values.iter().map(|v| v * 4.0).collect();
    let inverted: Vec<f64> = values.iter().map(|v| 1.0 / v).collect();
    let at = |v: &[f64]| change_points(v, &ChangeOptions::HISTORY).iter().map(|p| p.index).collect::<Vec<_>>();
    assert_eq!(at(&values), at(&scaled), "a unit is no change");
    assert_eq!(at(&values), at(&inverted), "on logs, latency and its inverse change together");
}

#[test]
fn what_moved_first_is_listed_in_order() {
    let mut rng = SplitMix64::seeded(5);
    let mut named = |name: &str, at: usize| NamedSeries {
        name: name.to_owned(),
        t_ms: (0..120).map(|i| f64::from(i) * 1000.0).collect(),
        values: series(120, 0.02, 0.2, &[(at, if at > 0 { 1.6 } else { 1.0 })], &mut rng)
            .into_iter()
            .map(Some)
            .collect(),
    };
    let all = [named("p99", 70), named("lock waits", 60), named("CPU", 0), named("errors", 70)];
    let moved = moved_first(&all, 0.0);
    let order: Vec<_> = moved.iter().map(|m| (m.rank, m.name.as_str(), m.t_ms / 1000.0)).collect();
    assert_eq!(order, [(1, "lock waits", 60.0), (2, "errors", 70.0), (2, "p99", 70.0)], "by time; CPU did not move");
    assert_eq!(moved_first(&all, 65_000.0).len(), 2, "changes before the start of the question are left out");
}

use proptest::prelude::*;

use super::*;

fn exact(ms: f64) -> impl Fn(Option<JudgedTime>) -> bool {
    move |t| t.and_then(|t| t.exact()).is_some_and(|found| (found - ms).abs() <= ms * 0.002)
}

#[test]
fn time_outs_are_bounds_and_failures_beyond_all() {
    let mut all = Judged::new();
    all.answered(10_000, 800);
    all.timed_out(300_000, 150);
    all.failed(50);
    assert_eq!((all.n(), all.without()), (1000, (150, 50)));
    assert!(exact(10.0)(all.at(0.5)) && exact(10.0)(all.at(0.8)), "four of five were answered: {:?}", all.at(0.8));
    let p81 = all.at(0.81).expect("there");
    assert!(p81.at_least && p81.ms.is_some_and(|ms| (300.0..301.0).contains(&ms)), "the fifth was given up: {p81:?}");
    assert_eq!(all.at(0.95).map(|t| t.at_least), Some(true), "the last that is known");
    assert_eq!(all.at(0.951), Some(JudgedTime { ms: None, at_least: false }), "what failed took longer than anything");
    assert_eq!(all.max(), Some(JudgedTime { ms: None, at_least: false }));
    assert!(all.mean().is_some_and(|mean| mean.at_least), "a mean over failures is a bound: {:?}", all.mean());
}

#[test]
fn a_slow_success_after_a_time_out_is_a_bound_too() {
    let mut all = Judged::new();
    all.answered(1_000, 98);
    all.timed_out(50_000, 1);
    all.answered(400_000, 1);
    assert!(exact(1.0)(all.at(0.98)), "nothing timed out below it");
    let p99 = all.at(0.99).expect("there");
    assert_eq!((p99.at_least, p99.ms.map(f64::round)), (true, Some(50.0)), "the time-out may have lasted until here");
    let last = all.at(1.0).expect("there");
    assert!(last.at_least, "or longer than the slowest success: {last:?}");
}

#[test]
fn nothing_and_nothing_but_failures() {
    assert_eq!((Judged::new().at(0.5), Judged::new().summary().is_none()), (None, true), "no request, no percentile");
    let mut all = Judged::new();
    all.failed(7);
    assert_eq!(all.at(0.5), Some(JudgedTime { ms: None, at_least: false }), "beyond any time, not zero");
    let summary = all.summary().expect("there");
    assert_eq!((summary.n, summary.failed, summary.p50.ms), (7, 7, None));
}

#[test]
fn a_percentile_needs_ten_requests_beyond_it() {
    for (q, n) in [(0.5, 20), (0.9, 100), (0.95, 200), (0.99, 1_000), (0.999, 10_000), (0.9999, 100_000)] {
        assert_eq!(needed(q), n, "at {q}");
    }
}

#[test]
fn chance_is_that_of_the_binomial() {
    for (least, n, p, want) in [
        (1, 50, 0.01, 0.394_994_2),
        (2, 30, 0.01, 0.036_148_4),
        (3, 30, 0.01, 0.003_318_2),
        (10, 100, 0.05, 0.028_188_3),
        (0, 5, 0.5, 1.0),
        (6, 5, 0.5, 0.0),
        (5, 5, 0.5, 0.031_25),
    ] {
        let got = at_least_by_chance(least, n, p);
        assert!((got - want).abs() < 1e-6, "{least} of {n} at {p} is {want}: {got}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Held against a plain sorted list: whatever the time-outs would really have taken, the percentile is no smaller.
    #[test]
    fn a_bound_is_never_above_the_truth(
        answered in proptest::collection::vec(1u64..2_000_000, 0..200),
        late in proptest::collection::vec((1u64..500_000, 0u64..5_000_000), 0..60),
        failed in 0usize..20,
        q in 0.01..0.999_f64,
    ) {
        let mut all = Judged::new();
        answered.iter().for_each(|us| all.answered(*us, 1));
        late.iter().for_each(|(us, _)| all.timed_out(*us, 1));
        all.failed(failed as u64);
        let mut truth: Vec<u64> = answered.iter().copied().chain(late.iter().map(|(us, more)| us + more)).collect();
        truth.extend(std::iter::repeat_n(u64::MAX, failed));
        truth.sort_unstable();
        let Some(time) = all.at(q) else {
            prop_assert!(truth.is_empty());
            return Ok(());
        };
        let rank = ((q * truth.len() as f64 - 1e-9).ceil() as usize).clamp(1, truth.len());
        let real = truth[rank - 1];
        match time {
            JudgedTime { ms: None, .. } => prop_assert_eq!(real, u64::MAX),
            JudgedTime { ms: Some(ms), at_least } => {
                let us = ms * 1e3;
                // Three significant digits.
                prop_assert!(us <= real as f64 * 1.001 + 1.0, "{} is above {}", us, real);
                if !at_least && late.iter().all(|(us, _)| *us as f64 > ms * 1.003e3) {
                    prop_assert!(us >= real as f64 * 0.999 - 1.0, "exact: {} is {}", us, real);
                }
            }
        }
    }
}

//! Intervals against populations that are known.
use super::super::draw::Draw;
use super::*;

/// How often the interval of a share of a population covers it, in 1,000 samples of `read` of `all` keys.
fn covers(all: u32, mine: u32, read: u32, seed: u64) -> (u32, f64) {
    let mut draw = Draw::new(seed);
    let (mut covered, mut width) = (0, 0.0);
    for _ in 0..1_000 {
        // Drawn without putting back.
        let (mut left, mut left_mine, mut seen) = (f64::from(all), f64::from(mine), 0.0);
        for _ in 0..read {
            if draw.share() < left_mine / left {
                seen += 1.0;
                left_mine -= 1.0;
            }
            left -= 1.0;
        }
        let frame = Frame { read: f64::from(read), all: Some(f64::from(all)), random: true, ..Frame::default() };
        let (low, high) = frame.keys(seen, false).bounds();
        covered += u32::from(low <= f64::from(mine) && high.is_some_and(|high| f64::from(mine) <= high));
        width += high.unwrap_or(f64::INFINITY) - low;
    }
    (covered, width / 1_000.0)
}

#[test]
fn shares_are_covered_as_often_as_promised_and_bars_are_as_short_as_the_formula() {
    for (all, mine, read) in
        [(100_000, 30_000, 1_000), (100_000, 2_000, 1_000), (10_000, 3_000, 9_000), (5_000, 50, 1_000)]
    {
        let (covered, width) = covers(all, mine, read, 11);
        assert!(covered >= 930, "{mine} of {all} by {read}: {covered}");
        let (n, total, p) = (f64::from(read), f64::from(all), f64::from(mine) / f64::from(all));
        let formula = 2.0 * Z * total * (p * (1.0 - p) / n * (1.0 - n / total)).sqrt();
        assert!(width <= 1.2 * formula, "{mine} of {all} by {read}: {width} against {formula}");
    }
}

#[test]
fn what_is_not_known_is_a_lower_bound_and_what_is_counted_is_exact() {
    let begun = Frame { read: 100.0, all: Some(1_000.0), random: true, ..Frame::default() };
    let (low, high) = begun.keys(100.0, false).bounds();
    assert!(low >= 900.0 && high == Some(1_000.0), "all that was read is of it: {low} {high:?}");
    let (low, high) = begun.keys(0.0, false).bounds();
    assert!(low == 0.0 && high.is_some_and(|h| (10.0..60.0).contains(&h)), "none yet is not none: {high:?}");
    let ordered = Frame { random: false, ..begun };
    assert_eq!(ordered.keys(10.0, false), MapCount::AtLeast { value: 10.0 }, "no sample");
    let done = Frame { read: 1_000.0, finished: true, ..begun };
    assert_eq!(done.keys(10.0, false), MapCount::Exact { value: 10.0 }, "counted");
    assert_eq!(done.keys(10.0, true), MapCount::AtLeast { value: 10.0 }, "but for what may be among others");
    let moved = Frame { churn: 3.0, ..done };
    assert_eq!(moved.keys(10.0, false), MapCount::Estimate { value: 10.0, low: 7.0, high: 13.0 }, "keys came and went");
    assert!(!moved.total().is_exact(), "nor is the sum");
}

#[test]
fn sums_of_a_sample_are_covered_as_often_as_promised() {
    let mut draw = Draw::new(5);
    let sizes: Vec<Vec<f64>> = [(2_000, 100.0), (500, 3_000.0)]
        .iter()
        .map(|(n, mean)| (0..*n).map(|_| mean * -(1.0 - draw.share()).ln()).collect())
        .collect();
    let truth: f64 = sizes.iter().flatten().sum();
    let mut covered = 0;
    for _ in 0..500 {
        let mut sum = Sum::default();
        for stratum in &sizes {
            let sample: Vec<f64> = stratum.iter().copied().filter(|_| draw.share() < 0.1).collect();
            sum.add(stratum.len() as f64, sample.len() as f64, sample.iter().sum(), sample.iter().map(|x| x * x).sum());
        }
        let frame = Frame { read: 2_500.0, all: Some(2_500.0), finished: true, random: true, churn: 0.0 };
        let (low, high) = sum.over(&frame, &sum, false).expect("measured").bounds();
        covered += u32::from(low <= truth && high.is_some_and(|high| truth <= high));
    }
    assert!(covered >= 450, "of 500: {covered}");
}

#[test]
fn a_sum_is_exact_when_each_key_was_measured_and_none_is_missing() {
    let mut sum = Sum::default();
    sum.add(3.0, 3.0, 60.0, 1_400.0);
    sum.add(1.0, 1.0, 5.0, 25.0);
    let frame = Frame { read: 4.0, all: Some(4.0), finished: true, random: true, churn: 0.0 };
    assert_eq!(sum.over(&frame, &sum, false), Some(MapCount::Exact { value: 65.0 }), "all were");
    sum.add(1.0, 0.0, 0.0, 0.0);
    let open = Frame { read: 5.0, ..frame };
    assert!(sum.over(&open, &sum, false).is_some_and(|s| !s.is_exact()), "one was not");
    assert_eq!(Sum::default().over(&frame, &Sum::default(), false), None, "nothing was measured, so nothing is said");
}

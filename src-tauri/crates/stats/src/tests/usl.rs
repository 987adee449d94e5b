use proptest::prelude::*;

use super::*;
use crate::normal::Normal as _;
use perfdeck_model::SplitMix64;

const NS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 96.0, 128.0];

fn law(gamma: f64, alpha: f64, beta: f64) -> UslFit {
    UslFit::from_terms([1.0 / gamma, alpha / gamma, beta / gamma], 0.0)
}

fn points(law: &UslFit, noise: f64, rng: &mut SplitMix64) -> Vec<(f64, f64)> {
    NS.iter().map(|&n| (n, law.at(n) * (noise * rng.normal()).exp())).collect()
}

#[test]
fn known_parameters_come_back() {
    let mut rng = SplitMix64::seeded(1);
    for (gamma, alpha, beta) in [(1000.0, 0.05, 0.0005), (90.0, 0.0, 0.001), (5e4, 0.2, 0.0), (10.0, 0.0, 0.0)] {
        let truth = law(gamma, alpha, beta);
        let got = fit(&points(&truth, 0.0, &mut rng)).unwrap();
        assert!((got.gamma / gamma - 1.0).abs() < 1e-6, "γ {gamma} from points on the curve: {got:?}");
        assert!((got.alpha - alpha).abs() < 1e-7, "α {alpha} from points on the curve: {got:?}");
        assert!((got.beta - beta).abs() < 1e-9, "β {beta} from points on the curve: {got:?}");
    }
    let got = fit(&points(&law(1000.0, 0.05, 0.0005), 0.0, &mut rng)).unwrap();
    assert!((got.peak_n.unwrap() - (0.95_f64 / 0.0005).sqrt()).abs() < 0.01, "N* = √((1 − α)/β) ≈ 43.6");
    assert!((got.capacity.unwrap() - got.at(43.589)).abs() < 0.1, "the capacity is the throughput at the peak");
}

#[test]
fn limits_without_a_peak() {
    let serial = law(1000.0, 0.1, 0.0);
    assert_eq!(serial.peak_n, None, "without coherency cost throughput never falls");
    assert!((serial.capacity.unwrap() - 10_000.0).abs() < 1e-6, "Amdahl's limit is γ/α");
    assert_eq!(law(1000.0, 0.0, 0.0).capacity, None, "linear growth has no limit");
}

#[test]
fn the_interval_holds_the_truth_about_as_often_as_it_says() {
    let truth = law(1000.0, 0.05, 0.0005);
    let mut rng = SplitMix64::seeded(2);
    let mut held = 0;
    for seed in 0..60 {
        let points = points(&truth, 0.03, &mut rng);
        let fitted = fit(&points).unwrap();
        let redrawn: Vec<UslFit> = bootstrap(&points, &fitted, seed, 120);
        let range = intervals(&redrawn).unwrap().capacity;
        let capacity = truth.capacity.unwrap();
        held += u32::from(range.low <= capacity && range.high.is_none_or(|h| h >= capacity));
    }
    // 9 points and 3 parameters: a bootstrap covers somewhat less than its nominal 95 %.
    assert!(held >= 51, "the 95 % interval holds the capacity in at least 85 % of 60 noisy sweeps: {held}");
}

#[test]
fn too_little_data_gives_no_fit() {
    assert!(fit(&[(1.0, 10.0), (2.0, 19.0), (2.0, 19.1)]).is_none(), "two concurrencies do not hold three parameters");
    assert!(fit(&[(1.0, 10.0), (2.0, 0.0), (4.0, 30.0)]).is_none(), "no throughput has no logarithm");
    assert!(fit(&[(0.0, 10.0), (2.0, 10.0), (4.0, 30.0)]).is_none(), "concurrency starts at 1");
    assert!(bootstrap(&[(1.0, 1.0); 4], &law(1.0, 0.1, 0.1), 1, 500).is_empty(), "four residuals say nothing");
    assert_eq!(range([Some(1.0)].into_iter()), None, "one value has no interval");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_unit_of_throughput_does_not_matter(
        alpha in 0.0..0.5_f64, beta in 0.0..0.01_f64, unit in 1e-3..1e5_f64, seed: u64
    ) {
        let points = points(&law(100.0, alpha, beta), 0.02, &mut SplitMix64::seeded(seed));
        let scaled: Vec<(f64, f64)> = points.iter().map(|(n, x)| (*n, x * unit)).collect();
        let (one, other) = (fit(&points).unwrap(), fit(&scaled).unwrap());
        prop_assert!((other.gamma / one.gamma / unit - 1.0).abs() < 1e-4, "γ carries the unit: {one:?} {other:?}");
        prop_assert!((other.alpha - one.alpha).abs() < 1e-4, "α has none: {one:?} {other:?}");
        prop_assert!(one.alpha >= 0.0 && one.beta >= 0.0 && one.gamma > 0.0, "no parameter is negative: {one:?}");
    }
}

use proptest::prelude::*;

use super::*;

#[test]
fn the_paired_interval_is_the_one_by_hand() {
    // mean 0.1, sd 0.1, se 0.1/√4 = 0.05, t(0.975, 3) = 3.182446305.
    let spread = 0.1 * (3.0_f64 / 4.0).sqrt();
    let d = [0.1 + spread, 0.1 - spread, 0.1 + spread, 0.1 - spread];
    let got = paired_t(&d, 0.05);
    assert!((sd(&d) - 0.1).abs() < 1e-12, "the four are built to have a sample sd of 0.1");
    assert!((got.mean - 0.1).abs() < 1e-12, "they are symmetric about 0.1");
    assert!((got.high - (0.1 + 3.182_446_305 * 0.05)).abs() < 1e-9, "mean + t · se, got {}", got.high);
    let (effect, low, _) = got.ratios();
    assert!((effect - (0.1_f64.exp() - 1.0)).abs() < 1e-12, "the effect is exp(mean) − 1");
    assert!(low < 0.0, "0.1 − 0.159 is below no change");
}

#[test]
fn one_pair_has_no_interval() {
    let got = paired_t(&[0.2], 0.05);
    assert!(got.low == f64::NEG_INFINITY && got.high == f64::INFINITY, "one run a side says nothing about scatter");
    assert!(!got.excludes_zero(), "so it can never exclude no change");
    assert!(welch(&[0.0], &[0.1, 0.2], 0.05).high.is_infinite(), "nor can Welch with one run on a side");
}

#[test]
fn welch_matches_a_worked_example() {
    // a: mean 2, var 1, n 3; b: mean 6, var 4, n 5 → se² = 1/3 + 4/5, df = se⁴ / (1/9/2 + 16/25/4).
    let a = [1.0, 2.0, 3.0];
    let b = [6.0 - 8.0_f64.sqrt(), 6.0, 6.0, 6.0, 6.0 + 8.0_f64.sqrt()];
    let got = welch(&a, &b, 0.05);
    let v: f64 = 1.0 / 3.0 + 0.8;
    assert!((got.mean - 4.0).abs() < 1e-12, "6 − 2");
    assert!((got.se - v.sqrt()).abs() < 1e-12, "the variances of the means add");
    assert!((got.df - v * v / (1.0 / 18.0 + 0.16)).abs() < 1e-9, "the Welch–Satterthwaite degrees of freedom");
}

#[test]
fn sign_flips_are_counted_as_by_hand() {
    assert_eq!(sign_flip_p(&[1.0; 6], 0), 2.0 / 64.0, "only all-plus and all-minus reach the sum of six equals");
    assert_eq!(sign_flip_p(&[1.0, 2.0, 3.0], 0), 0.25, "of 8 flips only +++ and −−− reach 6");
    assert_eq!(sign_flip_p(&[1.0, -2.0, 3.0], 0), 0.75, "|sum| 2 is reached by all but the two flips that give 0");
    assert_eq!(sign_flip_p(&[0.1, 0.2, -0.3], 0), 1.0, "a sum of 0 is reached by every flip, rounding or not");
    assert_eq!(sign_flip_p(&[], 0), 1.0, "nothing is no evidence");
    assert_eq!(sign_flip_p(&[0.0; 8], 0), 1.0, "no difference is no evidence");
}

#[test]
fn drawn_flips_agree_with_all_of_them() {
    let d: Vec<f64> = (0..16).map(|i| 0.02 + 0.1 * f64::from(i * 7 % 16 - 8) / 8.0).collect();
    let exact = sign_flip_p(&d, 1);
    // A 17th value of 0 does not change the distribution of the sum, but takes the other path.
    let drawn = sign_flip_p(&[d.clone(), vec![0.0]].concat(), 1);
    assert!((exact - drawn).abs() < 0.015, "20,000 flips have a standard error below 0.004: {exact} and {drawn}");
    assert_eq!(drawn, sign_flip_p(&[d, vec![0.0]].concat(), 1), "the same seed gives the same p");
    assert!(sign_flip_p(&[1.0; 40], 3) < 1e-4, "forty equal signs are as good as impossible by chance");
}

#[test]
fn holm_steps_down_as_by_hand() {
    assert_eq!(holm(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06], "3 · 0.01, then 2 · 0.03, then max(0.06, 0.04)");
    assert_eq!(holm(&[0.5, 0.9]), [1.0, 1.0], "adjusted values stop at 1");
    assert_eq!(holm(&[0.02]), [0.02], "one test needs no correction");
    assert!(holm(&[]).is_empty(), "no test, no p");
}

#[test]
fn pairs_needed_follow_the_reference() {
    let delta = 0.1_f64.exp_m1();
    assert_eq!(pairs_needed(0.1, delta), 8, "(2.8 · 0.1 / 0.1)² = 7.84");
    assert_eq!(more_pairs(&[0.12, -0.1, 0.05, -0.07, 0.1, -0.13], delta, 0.05, 1), Some(4), "ten needed, six done");
    assert_eq!(more_pairs(&[0.1], delta, 0.05, 1), None, "one pair has no scatter to plan with");
    assert_eq!(fewest_pairs(0.05, 1), 6, "2/2^6 = 0.031 is the first below 5 % (docs/benchmarks.md, 7.1)");
    assert_eq!(fewest_pairs(0.05, 2), 7, "two metrics double the smallest p");
    assert_eq!(fewest_pairs(0.022, 1), 7, "2/2^7 = 0.016 is the first below 2.2 % (docs/benchmarks.md, 7.2.8)");
}

proptest! {
    #[test]
    fn swapping_the_arms_mirrors_everything(d in prop::collection::vec(-0.5..0.5_f64, 2..14)) {
        let swapped: Vec<f64> = d.iter().map(|v| -v).collect();
        let (one, other) = (paired_t(&d, 0.05), paired_t(&swapped, 0.05));
        prop_assert!((one.low + other.high).abs() < 1e-12, "ln(A/B) = −ln(B/A)");
        prop_assert!((one.high + other.low).abs() < 1e-12, "ln(A/B) = −ln(B/A)");
        prop_assert_eq!(sign_flip_p(&d, 0), sign_flip_p(&swapped, 0), "the test is two-sided");
    }

    #[test]
    fn the_unit_does_not_matter(d in prop::collection::vec(-0.5..0.5_f64, 2..12), scale in 0.01..100.0_f64) {
        let scaled: Vec<f64> = d.iter().map(|v| v * scale).collect();
        prop_assert_eq!(sign_flip_p(&d, 0), sign_flip_p(&scaled, 0), "the order of the sums stays");
        let (one, other) = (paired_t(&d, 0.05), paired_t(&scaled, 0.05));
        prop_assert!((one.high * scale - other.high).abs() < 1e-9 * scale.max(1.0), "t intervals scale");
    }

    #[test]
    fn holm_never_lowers_a_p_nor_changes_the_order(p in prop::collection::vec(0.0..1.0_f64, 1..8)) {
        let adjusted = holm(&p);
        for i in 0..p.len() {
            prop_assert!(adjusted[i] >= p[i] && adjusted[i] <= 1.0, "a correction only raises");
            for j in 0..p.len() {
                prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j], "the order of the p values stays");
            }
        }
    }

    #[test]
    fn a_sign_flip_p_is_a_multiple_of_its_smallest(d in prop::collection::vec(-1.0..1.0_f64, 1..10)) {
        let steps = sign_flip_p(&d, 0) * f64::from(1 << (d.len() - 1));
        prop_assert!((steps - steps.round()).abs() < 1e-9 && steps >= 1.0, "the observed signs count themselves");
    }
}

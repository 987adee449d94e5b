use std::collections::BTreeMap;

use super::*;
use crate::normal::Normal as _;
use crate::registration::LoopKind;

/// A run of 60 s around `level` ms, with AR(1) seconds of 10 % and ρ 0.35.
fn run(level: f64, rng: &mut SplitMix64) -> (RunFigures, Vec<RunSecond>) {
    let mut x = 0.0;
    let seconds: Vec<RunSecond> = (0..60)
        .map(|_| {
            x = 0.35 * x + rng.normal() * 0.94;
            let p50 = level * (0.1 * x).exp();
            RunSecond { rate_per_s: 1000.0, p50_ms: Some(p50), p90_ms: Some(2.0 * p50), p99_ms: Some(4.0 * p50) }
        })
        .collect();
    let logs: Vec<f64> = seconds.iter().filter_map(|s| s.p50_ms).map(f64::ln).collect();
    let p50 = mean(&logs).exp();
    let figures = RunFigures {
        run_id: "r".to_owned(),
        valid: true,
        requests: 60_000,
        rate_per_s: 1000.0,
        latency_n: 60_000,
        latency_ms: BTreeMap::from([("p50".to_owned(), p50), ("p99".to_owned(), 4.0 * p50)]),
        ..RunFigures::default()
    };
    (figures, seconds)
}

fn compare(ratio: f64, noise: &[NoiseFloor], seed: u64) -> Comparison {
    let mut rng = SplitMix64::seeded(seed);
    let ((fa, sa), (fb, sb)) = (run(10.0, &mut rng), run(10.0 * ratio, &mut rng));
    let plan = Registration::new(LoopKind::Open, 10, 3);
    single_pair(&plan, Single { figures: &fa, seconds: &sa }, Single { figures: &fb, seconds: &sb }, noise, Vec::new())
}

fn floor(sigma: f64) -> [NoiseFloor; 2] {
    [BenchMetric::P50, BenchMetric::P99].map(|metric| NoiseFloor { metric, sigma, pairs: 20 })
}

#[test]
fn a_single_pair_is_never_more_than_indicative() {
    let c = compare(3.0, &floor(0.03), 1);
    assert_eq!(
        (c.kind, c.verdict),
        (ComparisonKind::Indicative, Verdict::Inconclusive),
        "even three times slower is one pair"
    );
    assert!(c.metrics.iter().all(|m| m.verdict == Verdict::Inconclusive && m.p.is_none()), "no metric has a verdict");
    assert!(c.sentence.starts_with("Inconclusive: p50 +"), "the word comes from the six: {}", c.sentence);
    assert!(c.sentence.contains("(indicative 95\u{2009}% band +"), "and it says indicative: {}", c.sentence);
    assert!(c.sentence.contains("single pair, errors equal. A duet of about 7"), "and what would tell: {}", c.sentence);
}

#[test]
fn the_band_is_widened_by_the_noise_floor() {
    let (without, with) = (compare(1.0, &[], 2), compare(1.0, &floor(0.03), 2));
    let half = |c: &Comparison| (c.metrics[0].high.unwrap().ln_1p() - c.metrics[0].low.unwrap().ln_1p()) / 2.0;
    let se_block = half(&without) / t::normal_quantile(0.975);
    let want = (se_block.powi(2) + 2.0 * 0.03_f64.powi(2)).sqrt() * t::quantile(0.975, 20.0);
    assert!((half(&with) - want).abs() < 1e-9, "SE² = SE(block)² + 2 σ²: {} and {want}", half(&with));
    let note = without.metrics[0].note.as_deref().unwrap();
    assert!(note.contains("lower bound"), "without a noise floor the band says too little: {note}");
    assert_eq!(compare(1.0, &[], 2), without, "the same seed gives the same band");
}

#[test]
fn blocks_know_about_autocorrelation() {
    let mut rng = SplitMix64::seeded(4);
    let mut ratio = 0.0;
    for _ in 0..30 {
        let mut x = 0.0;
        let seconds: Vec<RunSecond> = (0..200)
            .map(|_| {
                x = 0.8 * x + rng.normal() * 0.6;
                RunSecond { p50_ms: Some((0.1 * x).exp()), ..RunSecond::default() }
            })
            .collect();
        ratio += block_error(&seconds, BenchMetric::P50, 1).unwrap() / (0.1 * (9.0_f64 / 200.0).sqrt()) / 30.0;
    }
    assert!((0.75..1.2).contains(&ratio), "AR(1) 0.8 has time 9, so SE = sd · √(9/200) on average: {ratio}");
}

#[test]
fn noise_comes_from_pairs_of_the_same() {
    let floor = noise(BenchMetric::P50, &[0.04, -0.04, 0.04, -0.04]).unwrap();
    assert!((floor.sigma - 0.04 / 2.0_f64.sqrt()).abs() < 1e-12, "a ratio has two runs' noise: √(0.04²/2)");
    assert_eq!(noise(BenchMetric::P50, &[]), None, "no pair, no noise floor");
}

#[test]
fn short_and_invalid_runs() {
    let mut rng = SplitMix64::seeded(5);
    let (mut figures, seconds) = run(10.0, &mut rng);
    let plan = Registration::new(LoopKind::Open, 10, 3);
    let short = Single { figures: &figures, seconds: &seconds[..5] };
    let c = single_pair(&plan, short, short, &[], Vec::new());
    assert_eq!(c.metrics[0].low, None, "five seconds have no blocks");
    assert!(c.sentence.contains("no band"), "so no number is quoted: {}", c.sentence);
    figures.valid = false;
    let bad = Single { figures: &figures, seconds: &seconds };
    assert_eq!(single_pair(&plan, bad, bad, &[], Vec::new()).verdict, Verdict::Invalid, "an invalid run is invalid");
    let (figures, _) = run(10.0, &mut rng);
    let ok = Single { figures: &figures, seconds: &seconds };
    let c = single_pair(&plan, ok, ok, &[], vec!["plan differs".to_owned()]);
    assert_eq!(c.sentence, "Invalid: not comparable: plan differs.", "nor can other plans be compared");
}

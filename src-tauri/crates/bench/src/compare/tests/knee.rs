use super::*;
use crate::compare::rng::Rng;

fn plan() -> KneePlan {
    KneePlan::new(Slo { metric: BenchMetric::P99, limit_ms: 50.0, max_error_share: 0.001 })
}

/// A target with the law γ 100, α 0.02, β 0.0002, whose p99 is 1.5 times the mean response time N/X.
fn target(n: u32, noise: f64, rng: &mut Rng) -> StepFigures {
    let n = f64::from(n);
    let rate = 100.0 * n / (1.0 + 0.02 * (n - 1.0) + 0.0002 * n * (n - 1.0)) * (noise * rng.normal()).exp();
    StepFigures {
        rate_per_s: rate,
        latency_ms: Some(1.5 * 1000.0 * n / rate),
        enough: true,
        utilisation: BTreeMap::from([
            ("PostgreSQL CPU".to_owned(), (rate / 2400.0).min(1.0)),
            ("disk".to_owned(), 0.2),
        ]),
        ..StepFigures::default()
    }
}

fn search(plan: KneePlan, mut run: impl FnMut(u32) -> StepFigures) -> KneeSearch {
    let mut search = KneeSearch::new(plan);
    let mut steps = 0;
    while let Some(step) = search.next() {
        search.record(run(step.concurrency));
        steps += 1;
        assert!(steps < 60, "a search ends within a few dozen steps");
    }
    search
}

#[test]
fn the_knee_is_found_confirmed_and_explained() {
    let mut rng = Rng::new(1);
    let search = search(plan(), |n| target(n, 0.0, &mut rng));
    let knee = search.outcome();
    // 1.5 · 10 ms · (1 + 0.02 (N−1) + 0.0002 N (N−1)) ≤ 50 ms up to N = 69.
    let (n, bad) = (knee.concurrency.unwrap(), knee.failing.unwrap());
    assert_eq!(knee.state, KneeState::Found, "an objective that fails somewhere has a knee");
    assert!(n <= 69 && bad > 69 && bad - n <= 3, "69 lies in a gap of at most 5 %: {n} to {bad}");
    let last = knee.points.last().unwrap();
    assert_eq!(
        (last.step.phase, last.step.duration_s),
        (KneePhase::Confirming, 60.0),
        "the last step is the confirmation"
    );
    let doubled: Vec<u32> = knee.points.iter().take(8).map(|p| p.step.concurrency).collect();
    assert_eq!(doubled, [1, 2, 4, 8, 16, 32, 64, 128], "doubling until it fails");
    let fit = knee.usl.unwrap();
    assert!((fit.alpha - 0.02).abs() < 1e-6 && (fit.beta - 0.0002).abs() < 1e-8, "the law comes back: {fit:?}");
    assert_eq!(knee.saturation.as_ref().unwrap().resource, "PostgreSQL CPU", "the busiest resource");
    assert!(knee.sentence.contains("connections hold p99 within 50.0\u{2009}ms"), "{}", knee.sentence);
    assert!(knee.sentence.contains("95\u{2009}% interval") && knee.sentence.contains("CPU is at"), "{}", knee.sentence);
}

#[test]
fn noise_gives_an_interval_that_holds_the_truth() {
    let mut held = 0;
    for seed in 0..15 {
        let mut rng = Rng::new(seed);
        let knee = search(plan(), |n| target(n, 0.02, &mut rng)).outcome();
        let n = knee.concurrency.unwrap();
        let truth = target(n, 0.0, &mut rng).rate_per_s;
        let Bounds { low, high } = knee.capacity.unwrap();
        assert!(high.unwrap() > low, "noise makes an interval of some width, seed {seed}");
        held += u32::from(low <= truth && truth <= high.unwrap());
    }
    assert!(held >= 12, "the capacity's interval holds the true throughput in most of 15 searches: {held}");
}

#[test]
fn the_ends_of_the_range_are_told() {
    let flat = |ms: f64| {
        move |_| StepFigures { rate_per_s: 10.0, latency_ms: Some(ms), enough: true, ..StepFigures::default() }
    };
    let easy = search(KneePlan { max: 20, ..plan() }, flat(1.0)).outcome();
    assert_eq!(
        (easy.state, easy.concurrency),
        (KneeState::BeyondMax, Some(20)),
        "the objective holds up to the maximum"
    );
    assert!(easy.sentence.starts_with("20 connections still hold"), "{}", easy.sentence);
    let hard = search(KneePlan { start: 8, ..plan() }, flat(90.0)).outcome();
    assert_eq!((hard.state, hard.concurrency), (KneeState::NeverHolds, None), "halved down to 1 without success");
    assert_eq!(hard.points.len(), 4, "8, 4, 2, 1");
    let down = search(KneePlan { start: 64, ..plan() }, |n| flat(f64::from(n))(n)).outcome();
    assert!(down.concurrency.is_some_and(|n| (48..=50).contains(&n)), "a start above the knee works: {down:?}");
}

#[test]
fn errors_invalid_steps_and_unsteady_targets() {
    let failing = search(plan(), |n| StepFigures {
        rate_per_s: 10.0,
        latency_ms: Some(1.0),
        error_share: if n > 8 { 0.01 } else { 0.0 },
        ..StepFigures::default()
    })
    .outcome();
    assert_eq!(failing.concurrency, Some(8), "fast errors do not hold an objective");
    assert!(failing.notes[0].starts_with("n too small for p99 at 1, 2, 4, 8"), "{:?}", failing.notes);

    let mut rng = Rng::new(3);
    let mut calls = 0;
    let once = search(plan(), |n| {
        calls += 1;
        let mut f = target(n, 0.0, &mut rng);
        if calls == 3 {
            f.invalid_reasons = vec!["client could not hold the rate".to_owned()];
        }
        f
    });
    assert_eq!(once.state(), KneeState::Found, "one invalid step is run again");
    let never =
        search(plan(), |_| StepFigures { invalid_reasons: vec!["no CPU left".to_owned()], ..StepFigures::default() });
    assert_eq!(never.outcome().sentence, "Invalid: no CPU left.", "two in a row are not");

    let mut held = KneeSearch::new(plan());
    while let Some(step) = held.next() {
        let ms = if step.phase == KneePhase::Confirming { 60.0 } else { f64::from(step.concurrency) };
        held.record(StepFigures { rate_per_s: 10.0, latency_ms: Some(ms), enough: true, ..StepFigures::default() });
    }
    assert_eq!(held.state(), KneeState::Unsteady, "what holds for 15 s but not for 60 s is not steady");
    assert!(held.outcome().sentence.starts_with("Inconclusive"), "{}", held.outcome().sentence);
}

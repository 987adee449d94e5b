use super::*;
use crate::normal::Normal as _;
use perfdeck_model::SplitMix64;

fn plan() -> KneePlan {
    KneePlan::new(Slo { metric: BenchMetric::P99, limit_ms: 50.0, max_error_share: 0.001 })
}

/// A target with the law γ 100, α 0.02, β 0.0002, whose p99 is 1.5 times the mean response time N/X.
fn target(n: u32, noise: f64, rng: &mut SplitMix64) -> StepFigures {
    let n = f64::from(n);
    let rate = 100.0 * n / (1.0 + 0.02 * (n - 1.0) + 0.0002 * n * (n - 1.0)) * (noise * rng.normal()).exp();
    let ms = 1.5 * 1000.0 * n / rate;
    StepFigures {
        rate_per_s: rate,
        latency_ms: Some(ms),
        n: 100_000,
        enough: true,
        within: Some(ms <= 50.0),
        utilisation: BTreeMap::from([
            ("PostgreSQL CPU".to_owned(), (rate / 2400.0).min(1.0)),
            ("disk".to_owned(), 0.2),
        ]),
        ..StepFigures::default()
    }
}

#[test]
fn a_first_step_that_shows_that_none_can_succeed_ends_it() {
    let mut search = KneeSearch::new(plan());
    search.give_up(vec!["no successful response: Connection refused".to_owned()]);
    assert_eq!((search.state(), search.next()), (KneeState::Invalid, None), "no further step");
    assert_eq!(search.outcome().sentence, "Invalid: no successful response: Connection refused.", "with the reason");
}

/// A step that is long enough, with this percentile.
fn answered(ms: f64) -> StepFigures {
    StepFigures {
        rate_per_s: 10.0,
        latency_ms: Some(ms),
        n: 100_000,
        enough: true,
        within: Some(ms <= 50.0),
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
    let mut rng = SplitMix64::seeded(1);
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
        let mut rng = SplitMix64::seeded(seed);
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
    let flat = |ms: f64| move |_| answered(ms);
    let easy = search(KneePlan { max: 20, ..plan() }, flat(1.0)).outcome();
    assert_eq!(
        (easy.state, easy.concurrency),
        (KneeState::BeyondMax, Some(20)),
        "the objective holds up to the maximum"
    );
    assert!(easy.sentence.starts_with("20 connections still hold"), "{}", easy.sentence);
    let hard = search(KneePlan { start: 8, ..plan() }, flat(90.0)).outcome();
    assert_eq!((hard.state, hard.concurrency), (KneeState::NeverHolds, None), "halved down to 1 without success");
    let tried: Vec<u32> = hard.points.iter().map(|p| p.step.concurrency).collect();
    assert_eq!(tried, [8, 8, 4, 4, 2, 2, 1, 1], "each failure is held against a second one");
    let down = search(KneePlan { start: 64, ..plan() }, |n| flat(f64::from(n))(n)).outcome();
    assert!(down.concurrency.is_some_and(|n| (48..=50).contains(&n)), "a start above the knee works: {down:?}");
}

#[test]
fn errors_invalid_steps_and_unsteady_targets() {
    let failing =
        search(plan(), |n| StepFigures { error_share: if n > 8 { 0.01 } else { 0.0 }, enough: false, ..answered(1.0) })
            .outcome();
    assert_eq!(failing.concurrency, Some(8), "fast errors do not hold an objective");
    assert!(failing.notes[0].starts_with("n too small for a stable p99 at 1, 2, 4, 8"), "{:?}", failing.notes);
    assert!(failing.notes.iter().any(|n| n.contains("all requests")), "what failed is in it: {:?}", failing.notes);

    let mut rng = SplitMix64::seeded(3);
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
        held.record(answered(ms));
    }
    assert_eq!(held.state(), KneeState::Unsteady, "what holds for 15 s but not for 60 s is not steady");
    assert!(held.outcome().sentence.starts_with("Inconclusive"), "{}", held.outcome().sentence);
}

#[test]
fn one_noisy_step_decides_nothing() {
    for noisy in 0..14 {
        let mut rng = SplitMix64::seeded(1);
        let mut calls = 0;
        let search = search(plan(), |n| {
            calls += 1;
            let figures = target(n, 0.0, &mut rng);
            if calls == noisy + 1 {
                StepFigures { within: Some(false), latency_ms: Some(900.0), ..figures }
            } else {
                figures
            }
        });
        let knee = search.outcome();
        assert_eq!(knee.state, KneeState::Found, "step {noisy} was disturbed: {}", knee.sentence);
        assert!(
            knee.concurrency.is_some_and(|n| (65..=69).contains(&n)),
            "the knee stays at 69: {:?}",
            knee.concurrency
        );
    }
}

/// Four slots of 10 ms: throughput grows up to four connections and not at all from there on.
#[test]
fn the_interval_holds_what_was_measured() {
    for (seed, slots, each_ms) in [(1, 4, 10.0), (2, 4, 10.0), (3, 1, 5.0), (4, 16, 2.0), (5, 7, 30.0)] {
        let mut rng = SplitMix64::seeded(seed);
        let sharp = |n: u32| {
            let busy = f64::from(n.min(slots));
            let rate = busy / each_ms * 1e3 * (0.01 * rng.normal()).exp();
            let ms = each_ms * f64::from(n.max(slots)) / f64::from(slots);
            StepFigures { rate_per_s: rate, within: Some(ms <= each_ms * 2.2), ..answered(ms) }
        };
        let knee = search(KneePlan { max: 64, ..plan() }, sharp).outcome();
        let (rate, capacity) = (knee.rate_per_s.expect("found"), knee.capacity.expect("an interval"));
        let inside = |rate: f64| capacity.low <= rate && capacity.high.is_none_or(|high| rate <= high);
        assert!(inside(rate), "{slots} slots: {}", knee.sentence);
        let there = knee.points.iter().filter(|p| Some(p.step.concurrency) == knee.concurrency && p.holds);
        assert!(there.into_iter().all(|p| inside(p.figures.rate_per_s)), "and each step there: {knee:?}");
    }
}

#[test]
fn too_few_requests_neither_hold_nor_fail() {
    // 20 requests a second and connection: a second is too short for a p99 below fifty connections.
    let slow = |step: KneeStep| {
        let n = (20.0 * f64::from(step.concurrency) * step.duration_s) as u64;
        let ms = f64::from(step.concurrency);
        StepFigures { n, within: (n >= 1_000).then_some(ms <= 50.0), ..answered(ms) }
    };
    let run = |plan: KneePlan| {
        let mut search = KneeSearch::new(plan);
        for _ in 0..80 {
            let Some(step) = search.next() else { break };
            search.record(slow(step));
        }
        search.outcome()
    };
    let knee = run(KneePlan { step_s: 1.0, confirm_s: 5.0, ..plan() });
    assert_eq!(knee.state, KneeState::Found, "steps are lengthened where it matters: {}", knee.sentence);
    assert!(knee.concurrency.is_some_and(|n| (48..=50).contains(&n)), "{:?}", knee.concurrency);
    assert!(knee.points.iter().filter(|p| p.unjudged).all(|p| !p.holds), "what was not judged did not hold");
    assert!(knee.points.iter().filter(|p| p.holds).all(|p| p.figures.n >= 1_000), "what held had enough");
    assert!(knee.notes.iter().any(|n| n.contains("neither held nor failed")), "{:?}", knee.notes);
    let hopeless = run(KneePlan { step_s: 1.0, confirm_s: 1.0, max: 4, ..plan() });
    assert_eq!((hopeless.state, hopeless.concurrency), (KneeState::Unjudged, None), "{}", hopeless.sentence);
    assert!(hopeless.sentence.contains("needs 1\u{2009}000 requests"), "it says what it needs: {}", hopeless.sentence);
}

#[test]
fn a_stopped_search_says_what_is_known() {
    let mut rng = SplitMix64::seeded(1);
    let mut search = KneeSearch::new(plan());
    for _ in 0..10 {
        let Some(step) = search.next() else { break };
        search.record(target(step.concurrency, 0.0, &mut rng));
    }
    search.stop();
    assert_eq!((search.state(), search.next()), (KneeState::Stopped, None), "nothing more is asked for");
    let knee = search.outcome();
    assert!(knee.sentence.starts_with("Stopped after 10 steps: "), "{}", knee.sentence);
    assert!(knee.sentence.contains("held p99") && knee.sentence.contains("did not"), "{}", knee.sentence);
    let mut none = KneeSearch::new(plan());
    none.stop();
    assert!(none.outcome().sentence.contains("nothing is known"), "{}", none.outcome().sentence);
}

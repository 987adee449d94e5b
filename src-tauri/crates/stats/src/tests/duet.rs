use std::collections::BTreeMap;

use super::*;
use crate::figures::BenchMetric;
use crate::registration::LoopKind;

fn run(id: &str, rate: f64, p50: f64, p99: f64) -> RunFigures {
    RunFigures {
        run_id: id.to_owned(),
        valid: true,
        requests: 20_000,
        rate_per_s: rate,
        latency_n: 20_000,
        latency_ms: BTreeMap::from([("p50".to_owned(), p50), ("p99".to_owned(), p99)]),
        ..RunFigures::default()
    }
}

/// Plays a whole duet; `figures` gets pair and arm.
fn play(plan: Registration, mut figures: impl FnMut(u32, Arm) -> RunFigures) -> Duet {
    let mut duet = Duet::new(plan);
    while let Some(step) = duet.next() {
        duet.record(step.arm, figures(step.pair, step.arm)).unwrap();
    }
    duet
}

/// A few percent of noise that differs between pairs, the same in both arms.
fn wobble(pair: u32) -> f64 {
    1.0 + 0.02 * (f64::from(pair * 7 % 10) - 4.5) / 4.5
}

fn tail_gain(pair: u32, arm: Arm) -> RunFigures {
    let factor = if arm == Arm::B { 0.69 * wobble(pair) } else { 1.0 };
    run("r", 500.0, 10.0, 50.0 * factor)
}

fn p99_only(pairs: u32) -> Registration {
    let mut plan = Registration::new(LoopKind::Open, pairs, 5);
    plan.primary.retain(|p| p.metric == BenchMetric::P99);
    plan
}

#[test]
fn the_sentence_is_the_guides() {
    let outcome = play(p99_only(10), tail_gain).outcome();
    assert_eq!(
        outcome.sentence,
        "Faster: p99 −31\u{2009}% (95\u{2009}% interval −32\u{2009}% to −30\u{2009}%), 10 interleaved pairs, errors equal.",
        "the usual form, with a true minus and thin spaces"
    );
    assert_eq!(outcome.schema, "perfdeck.comparison/1", "the documented schema");
    assert_eq!(outcome.metrics[0].ratios.len(), 10, "one dot per pair");
    assert_eq!(outcome.order, (0..10).map(|k| p99_only(10).first(k)).collect::<Vec<_>>(), "the order as run");
    assert_eq!(outcome.metrics[0].p, Some(2.0 / 1024.0), "ten equal signs");
    assert_eq!(outcome.looks.len(), 1, "ten pairs have a single look");
    let again: Comparison = serde_json::from_str(&serde_json::to_string(&outcome).unwrap()).unwrap();
    assert_eq!((again.verdict, again.sentence), (outcome.verdict, outcome.sentence), "a stored comparison reads back");
}

#[test]
fn other_primary_metrics_follow_with_their_own_word() {
    let outcome = play(Registration::new(LoopKind::Open, 10, 5), tail_gain).outcome();
    assert_eq!(outcome.verdict, Verdict::Faster, "the tail gained more than 10 %");
    assert!(
        outcome.sentence.ends_with("errors equal. p50 equivalent: 0\u{2009}% (0\u{2009}% to 0\u{2009}%)."),
        "{}: the median did not move",
        outcome.sentence
    );
    assert_eq!(outcome.metrics[1].p_holm, Some(4.0 / 1024.0), "Holm doubles the smaller of two");
}

#[test]
fn swapping_the_arms_mirrors_the_comparison() {
    let one = play(p99_only(10), tail_gain).outcome();
    let other = play(p99_only(10), |pair, arm| tail_gain(pair, arm.other())).outcome();
    assert_eq!(other.verdict, Verdict::Slower, "B against A of a gain is a loss");
    let (m, n) = (&one.metrics[0], &other.metrics[0]);
    let mirrored = (1.0 + m.low.unwrap()) * (1.0 + n.high.unwrap());
    assert!((mirrored - 1.0).abs() < 1e-9, "ends are inverse ratios: {mirrored}");
    let scaled = play(p99_only(10), |pair, arm| {
        let mut r = tail_gain(pair, arm);
        r.latency_ms.values_mut().for_each(|v| *v *= 1000.0);
        r
    });
    let effect = scaled.outcome().metrics[0].effect.unwrap();
    assert!((effect - m.effect.unwrap()).abs() < 1e-12, "microseconds or milliseconds, the same ratio");
}

#[test]
fn a_sequential_duet_stops_at_the_first_look_that_decides() {
    let plan = p99_only(15);
    let duet = play(plan, tail_gain);
    assert_eq!(duet.pairs().len(), 7, "a clear effect is decided at the first look");
    let outcome = duet.outcome();
    assert!(outcome.sentence.contains("97.8\u{2009}% interval"), "{}: the nominal level is shown", outcome.sentence);
    let verdicts: Vec<_> = outcome.looks.iter().map(|l| l.verdict).collect();
    assert_eq!(verdicts, [Some(Verdict::Faster), None, None], "later looks are not reached");
    let noisy = |pair: u32, arm: Arm| {
        let sign = if pair.is_multiple_of(2) { 1.0 } else { -1.0 };
        run("r", 500.0, 10.0, if arm == Arm::B { 50.0 * (sign * 0.25_f64).exp() } else { 50.0 })
    };
    let duet = play(p99_only(15), noisy);
    assert_eq!(duet.pairs().len(), 15, "noise is run to the end");
    let outcome = duet.outcome();
    assert_eq!(outcome.verdict, Verdict::Inconclusive, "and decides nothing");
    assert!(outcome.more_pairs.is_some_and(|n| n > 20), "(2.8 · 0.26 / 0.095)² ≈ 58: {:?}", outcome.more_pairs);
    assert!(outcome.sentence.contains(" About ") && outcome.sentence.contains(" more pairs."), "{}", outcome.sentence);
}

#[test]
fn between_looks_nothing_is_said() {
    let mut duet = Duet::new(p99_only(10));
    for _ in 0..8 {
        let step = duet.next().unwrap();
        assert_eq!(duet.next(), Some(step), "asking does not advance");
        duet.record(step.arm, tail_gain(step.pair, step.arm)).unwrap();
    }
    let outcome = duet.outcome();
    assert_eq!(outcome.verdict, Verdict::Inconclusive, "four of ten pairs are no planned look");
    assert_eq!(
        outcome.sentence, "Inconclusive: 4 of 10 pairs run; the result is looked at after 10.",
        "and it says so"
    );
    let expected = duet.next().unwrap().arm;
    let wrong = duet.record(expected.other(), tail_gain(4, Arm::A));
    assert_eq!(wrong, Err(DuetError::WrongArm { expected }), "a run of the other arm is refused");
    assert_eq!(Duet::new(p99_only(10)).outcome().verdict, Verdict::Inconclusive, "nothing run, nothing said");
}

#[test]
fn an_invalid_run_makes_the_duet_invalid_unless_repeats_were_registered() {
    let broken = |pair: u32, arm: Arm, times: &mut u32| {
        let mut r = tail_gain(pair, arm);
        if pair == 2 && *times == 0 {
            *times += 1;
            r.valid = false;
            r.invalid_reasons = vec!["97.0 % of the target rate".to_owned()];
        }
        r
    };
    let mut times = 0;
    let duet = play(p99_only(10), |p, a| broken(p, a, &mut times));
    assert_eq!(duet.outcome().verdict, Verdict::Invalid, "one invalid run spoils it");
    assert_eq!(duet.outcome().sentence, "Invalid: run r: 97.0 % of the target rate.", "with the reason");
    let mut times = 0;
    let plan = Registration { repeats: 1, ..p99_only(10) };
    let outcome = play(plan, |p, a| broken(p, a, &mut times)).outcome();
    assert_eq!(outcome.verdict, Verdict::Faster, "the pair was run again");
    assert_eq!(outcome.exclusions.len(), 1, "and is listed: {:?}", outcome.exclusions);
}

#[test]
fn different_error_rates_suppress_latency_but_not_goodput() {
    let failing = |errors_b: u64| {
        move |pair: u32, arm: Arm| {
            let mut r = tail_gain(pair, arm);
            r.rate_per_s = if arm == Arm::B { 400.0 * wobble(pair) } else { 500.0 };
            r.errors = if arm == Arm::B { errors_b } else { 10 };
            r
        }
    };
    let outcome = play(p99_only(10), failing(110)).outcome();
    assert_eq!(outcome.verdict, Verdict::Invalid, "0.50 points apart: survivors only look faster");
    assert!(outcome.sentence.contains("0.05\u{2009}% and 0.55\u{2009}%"), "both rates: {}", outcome.sentence);
    assert_eq!(play(p99_only(10), failing(30)).outcome().verdict, Verdict::Faster, "exactly 0.1 points is allowed");
    let closed = play(Registration::new(LoopKind::Closed, 10, 5), failing(110)).outcome();
    assert_eq!(closed.verdict, Verdict::Slower, "goodput counts successes only, so it stands");
}

#[test]
fn small_runs_and_incomparable_sides_get_no_verdict() {
    let small = play(p99_only(10), |pair, arm| RunFigures { latency_n: 5_000, ..tail_gain(pair, arm) }).outcome();
    assert_eq!(small.verdict, Verdict::Inconclusive, "5,000 requests are too few for a p99");
    assert_eq!(small.metrics[0].effect, None, "so no number is shown");
    assert!(small.sentence.contains("n too small: p99 needs 10\u{2009}000 requests"), "{}", small.sentence);
    assert_eq!(small.more_pairs, None, "more pairs would not help");
    let mut duet = play(p99_only(10), tail_gain);
    duet.set_differences(vec!["version postgres: 16.3 in A, 17.0 in B".to_owned()]);
    let outcome = duet.outcome();
    assert_eq!(outcome.verdict, Verdict::Invalid, "a difference that was not declared");
    assert_eq!(outcome.sentence, "Invalid: not comparable: version postgres: 16.3 in A, 17.0 in B.", "named in words");
}

#[test]
fn the_shift_function_marks_quantiles_without_enough_requests() {
    let curve = |pair: u32, arm: Arm| {
        let mut r = tail_gain(pair, arm);
        for (q, ms) in [(0.5, 10.0), (0.99, r.latency_ms["p99"]), (0.999, 90.0)] {
            r.curve.push(crate::figures::CurvePoint { q, ms });
        }
        r
    };
    let shift = play(p99_only(10), curve).outcome().shift;
    let read: Vec<(f64, bool)> = shift.iter().map(|s| (s.q, s.enough)).collect();
    assert_eq!(read, [(0.5, true), (0.99, true), (0.999, false)], "20,000 requests reach p99, not p99.9");
    assert!((shift[1].effect + 0.31).abs() < 0.01, "the tail's change is where it is: {}", shift[1].effect);
}

//! Thresholds.
use std::collections::BTreeMap;

use crate::threshold::*;
use perfdeck_stats::judged::Judged;
use proptest::prelude::*;

/// `n` requests, 98 % of which take 2 ms and the others 40 ms, scaled.
fn times(n: u64, scale: u64) -> Judged {
    let mut all = Judged::new();
    all.answered(2_000 * scale, n * 98 / 100);
    all.answered(40_000 * scale, n - n * 98 / 100);
    all
}

fn figures() -> Figures {
    let total = StepFigures {
        requests: 20_000,
        errors: 20,
        rate_per_s: Some(500.0),
        duration_s: Some(40.0),
        response: Some(times(20_000, 1)),
        service: Some(times(20_000, 3)),
        lag: Some(times(20_000, 5)),
    };
    let login = StepFigures { requests: 500, errors: 0, response: Some(times(500, 5)), ..StepFigures::default() };
    Figures { total, steps: BTreeMap::from([("log in".to_owned(), login)]) }
}

/// All of one run with these response times, every failure of which is an error.
fn run(response: Judged) -> Figures {
    let (late, failed) = response.without();
    let (requests, errors) = (response.n(), late + failed);
    let total = StepFigures {
        requests,
        errors,
        rate_per_s: Some((requests - errors) as f64 / 10.0),
        duration_s: Some(10.0),
        service: Some(response.clone()),
        response: Some(response),
        lag: None,
    };
    Figures { total, ..Figures::default() }
}

/// `holds`, `fails` or `unjudged`.
fn outcome(text: &str, figures: &Figures) -> &'static str {
    let result = Threshold::parse(text).expect(text).evaluate(figures);
    match (result.ok, result.unjudged) {
        (true, false) => "holds",
        (false, false) => "fails",
        (false, true) => "unjudged",
        (true, true) => panic!("{text} holds and is not judged"),
    }
}

#[test]
fn thresholds_are_judged() {
    for (text, ok, actual) in [
        ("p99 < 50ms", true, Some(40.0)),
        ("p99<40ms", false, Some(40.0)),
        ("p99 <= 40.1ms", true, Some(40.0)),
        ("p50 <= 1s", true, Some(2.0)),
        ("max < 2s", true, Some(40.0)),
        ("mean > 2.8ms", false, Some(2.76)),
        ("errors < 0.1%", false, Some(0.1)),
        ("errors <= 0.1 %", true, Some(0.1)),
        ("error_count <= 20", true, Some(20.0)),
        ("rate >= 500/s", true, Some(500.0)),
        ("rate > 30000/min", false, Some(500.0)),
        ("lag_p99 < 300ms", true, Some(200.0)),
        ("service_p50 < 7ms", true, Some(6.0)),
        ("step:\"log in\" p50 < 20ms", true, Some(10.0)),
        ("p50 > 1ms", true, Some(2.0)),
    ] {
        let result = Threshold::parse(text).expect(text).evaluate(&figures());
        assert_eq!(result.ok, ok, "'{text}' is judged by the figure it names");
        let near = |a: f64, b: f64| (a - b).abs() <= b * 0.002;
        assert!(result.actual.zip(actual).is_some_and(|(a, b)| near(a, b)), "'{text}': {:?}", result.actual);
        assert!(result.note.is_none() && !result.unjudged, "'{text}' has samples enough: {:?}", result.note);
    }
}

#[test]
fn what_was_not_measured_is_not_judged() {
    let mut empty = figures();
    empty.steps.insert("idle".into(), StepFigures::default());
    for text in [
        "step:other p99 < 1s",
        "step:idle errors < 1%",
        "step:idle error_count < 1",
        "step:\"log in\" rate > 0/s",
        "step:\"log in\" lag_p99 < 1s",
    ] {
        let result = Threshold::parse(text).expect(text).evaluate(&empty);
        let expected = (false, true, None, Some("not measured"));
        let got = (result.ok, result.unjudged, result.actual, result.note.as_deref());
        assert_eq!(got, expected, "a gap neither holds nor fails: {text}");
    }
}

#[test]
fn a_time_out_is_at_least_its_deadline_and_a_failure_beyond_any() {
    let mut slow = Judged::new();
    slow.answered(5_000, 800);
    slow.timed_out(300_500, 200);
    let late = run(slow);
    for (text, want) in [
        ("p99 < 200ms", "fails"),
        ("p81 < 300ms", "fails"),
        ("p80 < 200ms", "holds"),
        ("p50 < 200ms", "holds"),
        // Nobody waited to see whether it would have come within half a second.
        ("p99 < 500ms", "unjudged"),
        ("max < 1s", "unjudged"),
        ("max < 300ms", "fails"),
        ("mean < 20ms", "fails"),
        ("mean < 100ms", "unjudged"),
        ("p99 > 200ms", "holds"),
        ("p99 > 500ms", "unjudged"),
        ("service_p99 < 200ms", "fails"),
        ("errors < 20%", "fails"),
        ("errors <= 20%", "holds"),
        ("min < 10ms", "holds"),
    ] {
        assert_eq!(outcome(text, &late), want, "{text}");
    }
    let p99 = Threshold::parse("p99<200ms").expect("read").evaluate(&late);
    assert!(p99.at_least && p99.actual.is_some_and(|ms| (300.0..302.0).contains(&ms)), "{p99:?}");
    assert!(p99.note.as_deref().is_some_and(|n| n.contains("of 1000 requests 200 timed out")), "it says so: {p99:?}");

    let mut refused = Judged::new();
    refused.answered(5_000, 970);
    refused.failed(30);
    let broken = run(refused);
    for (text, want) in [
        ("p99 < 1h", "fails"),
        ("p97 < 10ms", "holds"),
        ("max < 1h", "fails"),
        ("mean < 1s", "unjudged"),
        ("mean < 1ms", "fails"),
        ("p99 > 1h", "holds"),
    ] {
        assert_eq!(outcome(text, &broken), want, "{text}");
    }
    let p99 = Threshold::parse("p99 < 1h").expect("read").evaluate(&broken);
    assert_eq!((p99.actual, p99.at_least), (None, false), "a failure has no time");
    assert!(p99.note.as_deref().is_some_and(|n| n.contains("failed")), "but a reason: {p99:?}");
}

#[test]
fn nothing_but_failures_fails_everything() {
    let mut none = Judged::new();
    none.failed(4_000);
    for text in ["p50 < 1s", "p99.9 < 1h", "max < 1h", "mean < 1h", "errors < 1%", "error_count < 1", "rate > 50/s"] {
        assert_eq!(outcome(text, &run(none.clone())), "fails", "{text}");
    }
}

#[test]
fn too_few_requests_are_not_judged() {
    let of = |n: u64| {
        let mut all = Judged::new();
        all.answered(5_000, n);
        run(all)
    };
    for (text, needed) in
        [("p50 < 1s", 20), ("p90 < 1s", 100), ("p95 < 1s", 200), ("p99 < 1s", 1_000), ("p99.9 < 1s", 10_000)]
    {
        assert_eq!(outcome(text, &of(needed)), "holds", "{text} with {needed}");
        assert_eq!(outcome(text, &of(needed - 1)), "unjudged", "{text} with one less");
        assert_eq!(Threshold::parse(text).expect("read").needs(), Some(needed), "{text}");
    }
    for (text, needed) in [("errors < 1%", 100), ("errors < 0.1%", 1_000), ("max < 1s", 100), ("mean < 1s", 100)] {
        assert_eq!(outcome(text, &of(needed)), "holds", "{text} with {needed}");
        assert_eq!(outcome(text, &of(needed - 1)), "unjudged", "{text} with one less");
    }
    assert_eq!(outcome("rate > 5/s", &of(99)), "unjudged", "99 successes are no rate");
    assert_eq!(outcome("rate > 50/s", &of(99)), "fails", "where 500 were asked for they are enough");
    let few = Threshold::parse("p99 < 1s").expect("read").evaluate(&of(500));
    assert_eq!(few.note.as_deref(), Some("only 500 requests; p99 needs 1000"), "it says what it needs");
    let some = Threshold::parse("p99 < 1s").expect("read").evaluate(&of(5_000));
    assert_eq!(some.note.as_deref(), Some("5000 requests; a stable p99 needs 10000"), "judged, and said");
}

#[test]
fn so_many_failures_are_no_chance_however_few_requests() {
    let of = |n: u64, failed: u64| {
        let mut all = Judged::new();
        all.answered(5_000, n - failed);
        all.timed_out(300_000, failed);
        run(all)
    };
    assert_eq!(outcome("p99 < 200ms", &of(100, 20)), "fails", "a fifth of a hundred is not one in a hundred");
    assert_eq!(outcome("p99 < 200ms", &of(30, 3)), "fails", "nor is a tenth of thirty");
    assert_eq!(outcome("p99 < 200ms", &of(30, 1)), "unjudged", "one of thirty may be");
    assert_eq!(outcome("errors < 1%", &of(50, 1)), "unjudged", "one of fifty may be chance");
    assert_eq!(outcome("errors < 1%", &of(50, 5)), "fails", "five of fifty are not");
}

#[test]
fn mistakes_say_what_may_stand_there() {
    for (text, part) in [
        ("", "no comparison"),
        ("p99", "no comparison"),
        ("p99 = 5ms", "compare with <"),
        ("p99 < 50", "50 of what? Write 50ms or 50s"),
        ("p100 < 1s", "unknown metric 'p100'"),
        ("p0 < 1s", "unknown metric"),
        ("pinf < 1s", "unknown metric"),
        ("p9e1 < 1s", "unknown metric"),
        ("errors < 5", "such as 0.1%"),
        ("errors < 101%", "such as 0.1%"),
        ("rate > fast", "such as 500/s"),
        ("rate > -1/s", "such as 500/s"),
        ("p99 < NaN", "not a duration"),
        ("lag_rate < 1/s", "unknown metric"),
        ("step:x", "write step:NAME"),
        ("step:\"x p99 < 1s", "write step:NAME"),
    ] {
        let error = Threshold::parse(text).expect_err(text).to_string();
        assert!(error.contains(part), "'{text}' says '{part}': {error}");
    }
    assert!(Threshold::parse(&"<".repeat(10_000_000)).is_err(), "junk is refused at once");
}

proptest! {
    #[test]
    fn any_text_is_a_threshold_or_an_error(text in "(step:)?[a-z0-9_. \"]{0,12}[<>=]{0,2}[0-9.a-z%/ \\x00é]{0,12}") {
        if let Ok(threshold) = Threshold::parse(&text) {
            let again = Threshold::parse(threshold.text());
            prop_assert_eq!(again.ok(), Some(threshold), "its text means the same");
        }
    }
}

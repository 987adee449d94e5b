//! Thresholds.
use std::collections::BTreeMap;

use crate::plan::threshold::*;
use proptest::prelude::*;

fn figures() -> Figures {
    let times = |n, scale: f64| Distribution {
        n,
        min: scale,
        mean: 2.0 * scale,
        max: 100.0 * scale,
        quantiles: vec![Quantile { q: 0.5, ms: 2.0 * scale }, Quantile { q: 0.99, ms: 40.0 * scale }],
    };
    let total = StepFigures {
        requests: 20_000,
        errors: 20,
        rate_per_s: Some(500.0),
        response: Some(times(20_000, 1.0)),
        service: Some(times(20_000, 0.5)),
        lag: Some(times(20_000, 0.01)),
    };
    let login = StepFigures { requests: 500, errors: 0, response: Some(times(500, 5.0)), ..StepFigures::default() };
    Figures { total, steps: BTreeMap::from([("log in".to_owned(), login)]) }
}

#[test]
fn thresholds_are_judged() {
    for (text, ok, actual) in [
        ("p99 < 50ms", true, Some(40.0)),
        ("p99<40ms", false, Some(40.0)),
        ("p99 <= 40ms", true, Some(40.0)),
        ("p50 <= 1s", true, Some(2.0)),
        ("max < 2s", true, Some(100.0)),
        ("mean > 2ms", false, Some(2.0)),
        ("errors < 0.1%", false, Some(0.1)),
        ("errors <= 0.1 %", true, Some(0.1)),
        ("error_count <= 20", true, Some(20.0)),
        ("rate >= 500/s", true, Some(500.0)),
        ("rate > 30000/min", false, Some(500.0)),
        ("lag_p99 < 1ms", true, Some(0.4)),
        ("service_p50 < 1.5ms", true, Some(1.0)),
        ("step:\"log in\" p50 < 20ms", true, Some(10.0)),
    ] {
        let result = Threshold::parse(text).expect(text).evaluate(&figures());
        assert_eq!((result.ok, result.actual), (ok, actual), "'{text}' is judged by the figure it names");
        assert!(result.note.is_none(), "'{text}' has samples enough: {:?}", result.note);
    }
}

#[test]
fn what_was_not_measured_does_not_hold() {
    let mut empty = figures();
    empty.steps.insert("idle".into(), StepFigures::default());
    for text in [
        "p99.9 < 1s",
        "step:other p99 < 1s",
        "step:idle errors < 1%",
        "step:idle error_count < 1",
        "step:\"log in\" rate > 0/s",
        "step:\"log in\" lag_p99 < 1s",
    ] {
        let result = Threshold::parse(text).expect(text).evaluate(&empty);
        let expected = (false, None, Some("not measured"));
        assert_eq!((result.ok, result.actual, result.note.as_deref()), expected, "a gap is not a pass: {text}");
    }
    let few = Threshold::parse("step:\"log in\" p99 < 1s").expect("read").evaluate(&figures());
    assert_eq!(few.note.as_deref(), Some("only 500 samples; a stable p99 needs 10000"), "few samples are said");
    assert!(few.ok, "but judged");
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

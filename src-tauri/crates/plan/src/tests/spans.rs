//! Durations, secrets and JSON bodies.
use std::time::Duration;

use crate::values::*;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[test]
fn durations_are_read_in_every_form() {
    for (text, nanos) in [
        ("30s", 30_000_000_000u64),
        ("500ms", 500_000_000),
        ("5m", 300_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1.5s", 1_500_000_000),
        ("2", 2_000_000_000),
        ("250us", 250_000),
        ("250µs", 250_000),
        ("0s", 0),
        ("1m 30s", 90_000_000_000),
        ("7d", 604_800_000_000_000),
        ("1d12h", 129_600_000_000_000),
    ] {
        assert_eq!(Span::parse(text), Ok(Span(Duration::from_nanos(nanos))), "'{text}' has one meaning");
    }
    for text in ["", "s", "5x", "-1s", "1e400", "nan", "inf", "5 m s", "9999999999h", "1..2s", "٣s"] {
        assert!(Span::parse(text).is_err(), "'{text}' has none");
    }
}

proptest! {
    #[test]
    fn durations_survive_being_written(nanos in 0u64..900_000_000_000_000_000) {
        let span = Span(Duration::from_nanos(nanos));
        // Parts of one unit are exact in an f64 far beyond this range.
        prop_assert_eq!(Span::parse(&span.to_string()), Ok(span), "what is written is read again");
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,80}") {
        let _ = Span::parse(&text);
    }
}

#[test]
fn a_secret_is_a_reference_and_never_repeated() {
    assert_eq!(format!("{:?}", Secret::env("API-KEY")), "env:API_KEY", "a reference may be seen");
    let error = Secret::new("canary").expect_err("refused");
    assert!(!error.contains("canary"), "the refusal does not hold it");
    let error = serde_json::from_str::<Secret>("12345").expect_err("refused").to_string();
    assert!(!error.contains("12345"), "nor that of a number: {error}");
    let mixed = Secret::new("canary{{x}}").expect("a template");
    assert!(!format!("{mixed:?}").contains("canary"), "literal parts of a template stay hidden");
    assert_eq!(Secret::env("A").template(), "{{env:A}}", "a reference is a template of one slot");
    assert!(Secret::new("env:").is_err() && Secret::new("env:a b").is_err(), "a reference has a name");
}

#[test]
fn json_bodies_survive_toml() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        json: JsonBody,
    }
    for text in [r#"{"a":[1,"x",{"b":true}]}"#, r#"{"a":null}"#, r#""text""#, "18446744073709551615", "[]", "1.5"] {
        let holder = Holder { json: JsonBody(serde_json::from_str(text).expect("json")) };
        let toml = toml::to_string(&holder).expect("toml");
        assert_eq!(toml::from_str::<Holder>(&toml).expect("read"), holder, "{text} comes back from {toml}");
    }
    let dated: Holder = toml::from_str("json = { at = 2024-01-02 }").expect("read");
    assert_eq!(dated.json.0, serde_json::json!({"at": "2024-01-02"}), "a date is its text");
}

//! The golden table: what the UI's tests hold against `figures.ts` and `words.ts`, held against this crate.
use perfdeck_model::{Run, RunSummary, Unit};
use serde_json::{Map, Value};

use super::*;

fn table() -> Value {
    serde_json::from_str(include_str!("../golden/figures.json")).expect("the golden table is JSON")
}

/// A value of a row; what JSON has no numbers for is written as a word.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::String(word) => Some(word.parse().expect("NaN, Infinity or -Infinity")),
        value => Some(value.as_f64().expect("a number")),
    }
}

fn unit(name: &str) -> Option<Unit> {
    serde_json::from_value(name.into()).ok()
}

fn said(function: &str, name: &str, value: Option<f64>) -> String {
    let v = value.unwrap_or(f64::NAN);
    match function {
        "format" => match unit(name) {
            Some(unit) => format(value, unit),
            // Times of benchmarks are in milliseconds.
            None => value.filter(|v| v.is_finite()).map_or_else(|| DASH.to_owned(), ms),
        },
        "integer" => integer(v),
        "significant" => significant(v, name.parse().expect("digits")),
        "rate" => rate(v),
        "seconds" => seconds(v),
        "duration" => duration(v),
        "lasted" => lasted(v),
        "exactly" => exactly(v),
        "setting" => setting(v),
        "bytes" => bytes(v),
        "percent" => percent(v),
        "plural" => plural(v as i64, name),
        other => panic!("the table asks for {other}, which is not tested here"),
    }
}

#[test]
fn figures_are_those_of_the_golden_table() {
    let table = table();
    let rows = table["figures"].as_array().expect("rows");
    assert!(rows.len() >= 80, "the table covers every unit and border: {} rows", rows.len());
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let (function, unit) = (row["function"].as_str()?, row["unit"].as_str().unwrap_or_default());
            let (wanted, got) = (row["text"].as_str()?, said(function, unit, number(&row["value"])));
            (wanted != got).then(|| format!("{function}({}, {unit}): {got:?}, not {wanted:?}", row["value"]))
        })
        .collect();
    assert!(wrong.is_empty(), "the UI says otherwise:\n{}", wrong.join("\n"));
}

/// A run of the table: the first one's fields with the row's own over them.
fn run(base: &Map<String, Value>, set: &Value) -> Run {
    let mut fields = base.clone();
    fields.extend(set.as_object().cloned().unwrap_or_default());
    serde_json::from_value(Value::Object(fields)).expect("the fields are those of a run")
}

#[test]
fn sentences_of_runs_are_those_of_the_golden_table() {
    let table = table();
    let base = table["run"].as_object().expect("a whole run");
    let rows = table["sentences"].as_array().expect("rows");
    assert!(rows.len() >= 12, "each part of a sentence has its row: {} rows", rows.len());
    for row in rows {
        let said = sentence(&run(base, &row["set"]));
        assert_eq!(said.word, row["word"].as_str(), "{}: how it ended", row["name"]);
        assert_eq!(said.text, row["text"].as_str().expect("text"), "{}: what the UI says", row["name"]);
        let run = run(base, &row["set"]);
        let tone = format!("{:?}", Outcome::from(&run).tone()).to_lowercase();
        assert_eq!(Some(tone.as_str()), row["tone"].as_str(), "{}: how it turned out", row["name"]);
        let listed = RunSummary::from(&run);
        let outcome = Outcome::from(&listed);
        assert_eq!(outcome.short(), row["short"].as_str().expect("short"), "{}: in a list", row["name"]);
        assert_eq!(outcome.tone(), Outcome::from(&run).tone(), "{}: a list says no less than the run", row["name"]);
    }
}

#[test]
fn whom_a_change_waits_for_is_said_as_in_the_golden_table() {
    let table = table();
    let rows = table["waits"].as_array().expect("rows");
    assert!(rows.len() >= 6, "each answer has its row: {} rows", rows.len());
    for row in rows {
        let said = waits(&serde_json::from_value(row["waits"].clone()).expect("an answer of the wire"));
        assert_eq!(serde_json::json!(said), row["said"], "{}", row["waits"]);
    }
    let locks = table["locks"].as_object().expect("by their name");
    for (name, text) in locks {
        let lock = serde_json::from_value(Value::String(name.clone())).expect("a lock of the wire");
        assert_eq!(Some(build_lock(lock)), text.as_str(), "{name}");
    }
}

#[test]
fn what_a_list_of_an_earlier_version_does_not_tell_is_not_claimed() {
    let table = table();
    let base = table["run"].as_object().expect("a whole run");
    let listed = RunSummary::from(&run(base, &Value::Null));
    let before = RunSummary { answered: None, statuses: None, thresholds: None, ..listed };
    assert_eq!(Outcome::from(&before).short(), "valid", "no threshold is known to have failed");
}

#[test]
fn a_sentence_begins_with_how_the_run_ended() {
    let table = table();
    let base = table["run"].as_object().expect("a whole run");
    let stopped = sentence(&run(base, &serde_json::json!({ "state": "cancelled" })));
    assert!(stopped.to_string().starts_with("Stopped early: 2\u{2009}431 requests/s"), "{stopped}");
    assert!(
        sentence(&run(base, &Value::Null)).to_string().starts_with("2\u{2009}431"),
        "as planned goes without saying"
    );
}

#[test]
fn counts_of_any_width_are_grouped() {
    assert_eq!(count(u64::MAX), "18\u{2009}446\u{2009}744\u{2009}073\u{2009}709\u{2009}551\u{2009}615", "the largest");
    assert_eq!(count(-1_234_567_i64), "\u{2212}1\u{2009}234\u{2009}567", "with a true minus");
    assert_eq!(interval(-0.36, -0.25), "\u{2212}36\u{2009}% to \u{2212}25\u{2009}%", "a true minus and thin spaces");
}

#[test]
fn shares_of_sentences_have_no_false_precision() {
    for (value, text) in
        [(0.0, "0"), (0.93, "93"), (0.0996, "10"), (0.042, "4.2"), (0.004, "0.40"), (0.000_01, "0.0010")]
    {
        assert_eq!(share(value), format!("{text}\u{2009}%"), "{value} as a part of a sentence");
    }
}

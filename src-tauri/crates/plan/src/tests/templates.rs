//! Templates and the variables in them.
use std::collections::BTreeMap;

use crate::template::{TemplateError, parse};
use crate::variables::*;
use crate::{Builtins, escape};
use proptest::prelude::*;
use std::time::Instant;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn render(text: &str, vars: &[(&str, &str)], values: &[(&str, &str)]) -> String {
    let mut compiler = Compiler::new(&variables(vars)).expect("variables");
    let template = compiler.compile(text).expect("a template");
    let mut scope = compiler.names().scope();
    for (name, value) in values {
        if let Some(slot) = compiler.names().find(name) {
            scope.set(slot, value.as_bytes());
        }
    }
    let mut out = Vec::new();
    template.render(&scope, &mut Builtins::new(1, 0, 1), &mut out).expect("all values are set");
    String::from_utf8(out).expect("text")
}

#[test]
fn values_are_inserted_and_filtered() {
    let values = [("x", "a b/ü\"\n"), ("u.id", "7")];
    assert_eq!(render("<{{x}}>", &[], &values), "<a b/ü\"\n>", "as it is");
    assert_eq!(render("{{ x | url }}", &[], &values), "a%20b%2F%C3%BC%22%0A", "percent-encoded per byte");
    assert_eq!(render("{{x|json}}", &[], &values), "a b/ü\\\"\\n", "escaped for a JSON string");
    assert_eq!(render("{{x|json|url}}", &[], &[("x", "\"")]), "%5C%22", "filters apply from left to right");
    assert_eq!(render(r#"{"a":{{{u.id}}}"#, &[], &values), r#"{"a":{7}"#, "the last braces of a run open the slot");
    assert_eq!(render(r"\{{x}} \\{{x}}", &[], &[("x", "v")]), r"{{x}} \v", "a backslash makes braces text");
    assert_eq!(render("", &[], &[]), "", "nothing stays nothing");
}

#[test]
fn variables_hold_templates() {
    let vars = [("path", "/u/{{id|url}}"), ("all", "{{path}}?{{path|url}}")];
    assert_eq!(render("{{all}}", &vars, &[("id", "a b")]), "/u/a%20b?%2Fu%2Fa%2520b", "filters reach inside");
    assert_eq!(render("{{key}}", &[("key", "env:K")], &[("env:K", "v")]), "v", "env: refers to the environment");
}

#[test]
fn circles_name_their_members() {
    let error = Compiler::new(&variables(&[("a", "{{b}}"), ("b", "{{c}}"), ("c", "{{b}}")])).expect_err("a circle");
    assert_eq!(error, VariableError::Cycle(vec!["b".into(), "c".into(), "b".into()]), "only those in it");
    let error = Compiler::new(&variables(&[("a", "{{a}}")])).expect_err("a circle").to_string();
    assert_eq!(error, "variables in a circle: a → a", "a variable may be its own circle");
}

#[test]
fn doubling_variables_end_in_an_error_not_in_memory() {
    let started = Instant::now();
    for seed in ["{{x}}", &"y".repeat(1000), "{{$uuid}}"] {
        let mut vars = vec![("v0".to_owned(), seed.to_owned())];
        vars.extend((1..60).map(|i| (format!("v{i}"), format!("{{{{v{}}}}}", i - 1).repeat(2))));
        let error = Compiler::new(&vars.into_iter().collect()).expect_err("2^60 parts");
        assert!(matches!(error, VariableError::Template { source: TemplateError::TooLarge, .. }), "{error}");
    }
    let long: BTreeMap<_, _> = (0..1000).map(|i| (format!("v{i:04}"), format!("{{{{v{:04}}}}}", i + 1))).collect();
    assert!(Compiler::new(&long).is_ok(), "a long chain is no circle and fits on the stack");
    assert!(started.elapsed().as_secs() < 20, "and it takes no time to find out");
}

#[test]
fn mistakes_name_their_column() {
    let mut compiler = Compiler::new(&BTreeMap::new()).expect("none");
    for (text, message) in [
        ("ü{{x", "column 2: '{{' is not closed; write '\\{{' for the characters themselves"),
        ("{{}}", "column 1: '' is no variable name"),
        ("{{x|upper}}", "column 1: unknown filter 'upper'; there are url and json"),
        ("a{{$rnd}}", "column 2: unknown '$rnd'; there are $uuid, $seq, $now_ms and $random LOW HIGH"),
        ("{{$random 5 1}}", "column 1: unknown '$random 5 1'; there are $uuid, $seq, $now_ms and $random LOW HIGH"),
        ("{{env:a b}}", "column 1: 'env:a b' is no variable name"),
    ] {
        let error = compiler.compile(text).expect_err(text).to_string();
        assert_eq!(error, message, "the error of '{text}' says where and what");
    }
}

#[test]
fn builtins_follow_seed_worker_and_time() {
    let mut compiler = Compiler::new(&BTreeMap::new()).expect("none");
    let template = compiler.compile("{{$seq}} {{$now_ms}} {{$random -2 2}} {{$uuid}}").expect("a template");
    let scope = compiler.names().scope();
    let run = |worker| {
        let mut builtins = Builtins::new(1, worker, 2);
        let mut lines = Vec::new();
        for now in [1000, 2000] {
            builtins.next(now);
            let mut out = Vec::new();
            template.render(&scope, &mut builtins, &mut out).expect("no variables");
            lines.push(String::from_utf8(out).expect("text"));
        }
        lines
    };
    assert_eq!(run(1), run(1), "the same twice");
    let words: Vec<Vec<String>> = run(1).iter().map(|l| l.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    assert_eq!((words[0][0].as_str(), words[1][0].as_str()), ("1", "3"), "worker 1 of 2 has the odd numbers");
    assert_eq!(words[1][1], "2000", "time is what is passed in");
    assert!((-2..=2).contains(&words[0][2].parse::<i64>().expect("number")), "within its bounds");
    let uuid = &words[0][3];
    assert!(uuid.len() == 36 && &uuid[14..15] == "4" && "89ab".contains(&uuid[19..20]), "{uuid} is a version 4");
    assert_ne!(words[0][3], run(0)[0].split(' ').next_back().expect("a word"), "workers differ");
}

#[test]
fn json_strings_are_escaped_wherever_they_come_from() {
    let mut compiler = Compiler::new(&variables(&[("quote", "say \"{{x}}\"")])).expect("variables");
    let value = serde_json::json!({"a\"b": ["{{quote}}", 1, null, {}, []], "c": "plain\n"});
    let template = compiler.compile_json(&value).expect("a template");
    let mut scope = compiler.names().scope();
    scope.set(compiler.names().find("x").expect("used"), "\"\\\u{1}".as_bytes());
    let mut out = Vec::new();
    template.render(&scope, &mut Builtins::new(1, 0, 1), &mut out).expect("set");
    let read: serde_json::Value = serde_json::from_slice(&out).expect("still JSON");
    let expected = serde_json::json!({"a\"b": ["say \"\"\\\u{1}\"", 1, null, {}, []], "c": "plain\n"});
    assert_eq!(read, expected, "no value breaks out of its string");
}

#[test]
fn an_unset_variable_is_named() {
    let mut compiler = Compiler::new(&BTreeMap::new()).expect("none");
    let template = compiler.compile("{{token}}").expect("a template");
    let mut scope = compiler.names().scope();
    let run = |scope: &_| template.render(scope, &mut Builtins::new(1, 0, 1), &mut Vec::new());
    let error = run(&scope).expect_err("no value");
    assert_eq!(error.to_string(), "'{{token}}' has no value yet", "it says which");
    scope.set(0, b"");
    assert!(run(&scope).is_ok(), "an empty value is a value");
    scope.clear(0);
    assert!(run(&scope).is_err(), "and can be taken away");
}

#[test]
fn rendering_again_does_not_grow_the_buffers() {
    let mut compiler =
        Compiler::new(&variables(&[("all", "{{id|url}}/{{$uuid}}/{{$seq}}/{{$random 1 9}}")])).expect("variables");
    let template = compiler.compile("/x/{{all}}").expect("a template");
    let mut scope = compiler.names().scope();
    let (mut builtins, mut out) = (Builtins::new(1, 0, 1), Vec::with_capacity(256));
    let place = out.as_ptr();
    for i in 0..1000u32 {
        builtins.next(u64::from(i));
        scope.set(0, &i.to_le_bytes());
        out.clear();
        template.render(&scope, &mut builtins, &mut out).expect("set");
    }
    assert_eq!((out.capacity(), out.as_ptr()), (256, place), "a thousand requests use the one buffer");
}

proptest! {
    #[test]
    fn an_escaped_text_renders_as_itself(text in r"[\\{}a$| é]{0,40}") {
        prop_assert_eq!(render(&escape(&text), &[], &[]), text, "escape is the inverse of rendering");
    }

    #[test]
    fn any_text_is_a_template_or_an_error(text in r"[\\{}a$|: 0-9\x00]{0,40}|.{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn rendering_equals_replacing(values in prop::collection::vec("[^{}\\\\]{0,8}", 1..6)) {
        let names: Vec<String> = (0..values.len()).map(|i| format!("v{i}")).collect();
        let text: String = names.iter().map(|n| format!("-{{{{{n}}}}}")).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
        let expected: String = values.iter().map(|v| format!("-{v}")).collect();
        prop_assert_eq!(render(&text, &[], &pairs), expected, "slots hold their values in order");
    }

    #[test]
    fn url_and_json_filters_can_be_undone(value in ".{0,40}") {
        let encoded = render("{{x|url}}", &[], &[("x", &value)]);
        let decoded = percent_encoding::percent_decode_str(&encoded).decode_utf8_lossy().into_owned();
        prop_assert_eq!(&decoded, &value, "percent-decoding gives it back");
        let quoted = render("\"{{x|json}}\"", &[], &[("x", &value)]);
        prop_assert_eq!(serde_json::from_str::<String>(&quoted).ok(), Some(value), "so does JSON");
    }
}

//! Inputs that are meant to harm: they end in errors, soon, and without a panic.
use std::collections::BTreeMap;
use std::time::Instant;

use perfdeck_model::SplitMix64;
use proptest::prelude::*;

use super::super::import::{from_access_log, from_curl, from_har, from_openapi};
use super::super::*;

fn all(text: &str) {
    if let Ok(plan) = from_toml(text) {
        let _ = validate(&plan, &BTreeMap::new());
        assert_eq!(from_toml(&to_toml(&plan)).as_ref(), Ok(&plan), "what was read can be written and read");
    }
    for import in [from_curl, from_openapi, from_har, from_access_log] {
        if let Ok((plan, _)) = import(text) {
            let again = from_toml(&to_toml(&plan)).expect("an import is a plan");
            assert_eq!(again, plan, "what was imported can be written and read");
            let problems = validate(&plan, &BTreeMap::new());
            let errors: Vec<_> = problems.iter().filter(|p| p.severity == Severity::Error).collect();
            assert!(errors.is_empty(), "what was imported can run: {errors:?} from {text:.300}");
        }
    }
}

#[test]
fn ten_megabytes_of_junk() {
    let started = Instant::now();
    const SIZE: usize = 10 << 20;
    let mut rng = SplitMix64::new(1, &[]);
    let noise: String = (0..SIZE / 2).map(|_| char::from((rng.below(127) + 1) as u8)).collect();
    for junk in [
        noise,
        "\0".repeat(SIZE),
        "[".repeat(SIZE),
        "{".repeat(SIZE),
        "{\"a\":".repeat(SIZE / 5),
        "a.".repeat(SIZE / 2),
        "\"".repeat(SIZE),
        "'".repeat(SIZE),
        "\\".repeat(SIZE),
        "%".repeat(SIZE),
        "curl ".repeat(SIZE / 5),
        format!("curl http://h/{}", "%ff%zz%".repeat(SIZE / 7)),
        format!("curl http://h/ {}", "-H 'a: b' ".repeat(SIZE / 10)),
        format!("curl http://h/ -d {}", "a&".repeat(SIZE / 2)),
        "- - - [\n".repeat(SIZE / 8),
        format!("h - - [x] \"GET /{} HTTP/1.1\" 200 1\n", "a/".repeat(2000)).repeat(2000),
        (0..150_000).map(|i| format!("h - - [x] \"GET /p{i}x/q HTTP/1.1\" 200 1\n")).collect(),
    ] {
        let one = Instant::now();
        all(&junk);
        assert!(one.elapsed().as_secs() < 30, "{:.20?} takes too long: {:?}", junk, one.elapsed());
    }
    assert!(started.elapsed().as_secs() < 200, "all of it ends soon");
}

#[test]
fn deep_and_wide_plans() {
    for text in [
        format!("name='x'\na={}1{}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("name='x'\n[{}]", vec!["a"; 10_000].join(".")),
        format!("name='x'\na={}{}", "{a=".repeat(10_000), "}".repeat(10_000)),
        format!("name='x'\n{}", "[[steps]]\nname='a'\nkind='http'\npath='/'\n".repeat(20_000)),
        format!("name='x'\n[[steps]]\nname='a'\nkind='http'\npath='/{}'", "{{a}}".repeat(100_000)),
        format!("name='x'\n[[steps]]\nname='a'\nkind='http'\njson='{}'", "[".repeat(100_000)),
        format!(
            "name='x'\n[variables]\n{}",
            (0..50_000).map(|i| format!("v{i}='{{{{v{}}}}}'\n", i + 1)).collect::<String>()
        ),
        "name='x'\n[[steps]]\nname='a'\nkind='http'\npath=\"/\\u0000\"".to_owned(),
    ] {
        let fine = from_toml(&text)
            .is_ok_and(|plan| validate(&plan, &BTreeMap::new()).iter().all(|p| p.severity == Severity::Warning));
        assert!(!fine, "{text:.60} is refused");
    }
}

#[test]
fn documents_that_refer_to_themselves() {
    let schemas = r##"{"A":{"$ref":"#/components/schemas/A"},"B":{"allOf":[{"$ref":"#/components/schemas/B"},{"$ref":"#/components/schemas/B"}]},
        "C":{"properties":{"a":{"$ref":"#/components/schemas/C"},"b":{"$ref":"#/components/schemas/C"},"c":{"$ref":"#/components/schemas/C"},"d":{"$ref":"#/components/schemas/C"},"e":{"$ref":"#/components/schemas/C"}}},
        "D":{"items":{"$ref":"#/components/schemas/D"}},"E":{"$ref":"#/nowhere/%ff"},"F":{"$ref":5}}"##;
    for name in ["A", "B", "C", "D", "E", "F"] {
        let text = format!(
            r##"{{"openapi":"3.0.0","components":{{"schemas":{schemas}}},"paths":{{"/a%zz{{{{x}}}}":{{"post":{{"requestBody":{{"content":{{"application/json":{{"schema":{{"$ref":"#/components/schemas/{name}"}}}}}}}}}}}}}}}}"##
        );
        let (plan, _) = from_openapi(&text).expect("an operation");
        assert_eq!(plan.steps.len(), 1, "schema {name} ends in a step");
        all(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_is_a_plan_or_an_error(text in r#"(name = 'x'\n)?[\[\]{}a-e='".,0-9 \n\x00é$|_-]{0,80}"#) {
        all(&text);
    }

    #[test]
    fn any_curl_command_is_imported_or_refused(
        words in prop::collection::vec(r#"-[XHdGIukALbem]|--json|--data-urlencode|[a:=@%/{}?&é -]{0,10}|'?https?://[a-c@:%/?={}$]{0,12}'?|"\$[A-B]{1}""#, 0..8)
    ) {
        all(&format!("curl {}", words.join(" ")));
    }

    #[test]
    fn any_har_is_imported_or_refused(
        url in r#"https?://[a-c@:.]{1,6}[a-c%/?&={}\\é \x00-]{0,24}"#, name in "[A-Za-z: \\x00é-]{0,10}", value in ".{0,20}",
        body in r#"[a-c=&%{}"\[\]:,\x00é]{0,30}"#, kind in "(application/json|application/x-www-form-urlencoded|text/plain)?"
    ) {
        let entry = serde_json::json!({"request": {"method": "post", "url": url, "headers": [{"name": name, "value": value}],
            "postData": {"mimeType": kind, "text": body}}});
        all(&serde_json::json!({"log": {"entries": [entry]}}).to_string());
    }

    #[test]
    fn any_access_log_is_imported_or_refused(lines in prop::collection::vec(r#"/[a-c0-9/?&=%{}\\é-]{0,24}"#, 1..12)) {
        let text: String = lines.iter().map(|t| format!("h - - [10/Oct/2000:13:55:36 -0700] \"GET {t} HTTP/1.1\" 200 1\n")).collect();
        all(&text);
    }
}

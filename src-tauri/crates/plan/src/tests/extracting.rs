//! Extractions and checks.
use crate::extract::*;
use crate::*;
use std::collections::BTreeMap;

fn run(toml: &str, response: &Response<'_>) -> Result<Vec<(String, String)>, String> {
    let http: HttpStep = toml::from_str(toml).expect("a step");
    assert!(http.checks.iter().all(|c| check_problem(c).is_none()), "the checks are well written");
    let mut compiler = Compiler::new(&BTreeMap::from([("who".to_owned(), "ann".to_owned())])).expect("variables");
    let rules = StepRules::new("login", &http, &mut compiler).expect("rules");
    let mut scope = compiler.names().scope();
    let mut builtins = Builtins::new(1, 0, 1);
    Inspector::default().apply(&rules, response, &mut scope, &mut builtins).map_err(|f| f.to_string())?;
    let text =
        |(i, name): (usize, &str)| scope.get(i).map(|v| (name.to_owned(), String::from_utf8_lossy(v).into_owned()));
    Ok(compiler.names().iter().enumerate().filter_map(text).collect())
}

const BODY: &[u8] = br#"{"token":"t\"1","user":{"id":7,"name":"ann","ok":true,"x":1.5,"a/b":null}}"#;

fn response(status: u16) -> Response<'static> {
    Response { status, headers: &[("X-Id", b"h7"), ("content-length", b"12")], body: BODY }
}

#[test]
fn values_are_extracted() {
    let toml = r#"
        extract = [{ var = "token", json_pointer = "/token" }, { var = "id", json_pointer = "/user/id" },
                   { var = "h", header = "x-id" }, { var = "slash", json_pointer = "/user/a~1b" }]"#;
    let values = run(toml, &response(200)).expect("all are there");
    let expected = [("token", "t\"1"), ("id", "7"), ("h", "h7"), ("slash", "null")];
    let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(values, expected, "texts without quotes, numbers as they are, headers in any case");
}

#[test]
fn checks_hold_or_name_step_and_rule() {
    for (check, status, outcome) in [
        ("status = 200", 200, Ok(())),
        ("status = \"2xx\"", 204, Ok(())),
        ("status = [200, \"4xx\"]", 404, Ok(())),
        ("status = [200, 201]", 404, Err("step 'login', check 1 (status): 404 was not expected")),
        ("body_contains = '\"{{who}}\"'", 200, Ok(())),
        ("body_contains = 'bob'", 200, Err("step 'login', check 1 (body_contains): the body does not hold the text")),
        ("json_pointer = '/user'", 200, Ok(())),
        ("json_pointer = '/nobody'", 200, Err("step 'login', check 1 (json_pointer): nothing at '/nobody'")),
        ("json_pointer = '/user/name', equals = '{{who}}'", 200, Ok(())),
        ("json_pointer = '/user/id', equals = 7", 200, Ok(())),
        ("json_pointer = '/user/id', equals = '7'", 200, Err("step 'login', check 1 (json_pointer): '/user/id' is 7")),
        ("json_pointer = '/user/ok', equals = true", 200, Ok(())),
        ("json_pointer = '/user/x', equals = 1.5", 200, Ok(())),
        ("json_pointer = '/user/x', equals = 2", 200, Err("step 'login', check 1 (json_pointer): '/user/x' is 1.5")),
        ("header = 'X-ID', equals = 'h7'", 200, Ok(())),
        ("header = 'content-length', equals = 12", 200, Ok(())),
        ("header = 'etag'", 200, Err("step 'login', check 1 (header): no header 'etag'")),
        ("header = 'x-id', equals = 'h8'", 200, Err("step 'login', check 1 (header): 'x-id' is h7")),
    ] {
        let result = run(&format!("checks = [{{ {check} }}]"), &response(status)).map(drop);
        assert_eq!(result, outcome.map_err(str::to_owned), "{check} on {status}");
    }
    let error = run("", &response(500)).expect_err("an error without any check");
    assert_eq!(error, "step 'login', status: 500; below 400 was expected", "errors are errors by default");
    assert!(run("checks = [{ status = 500 }]", &response(500)).is_ok(), "unless the plan expects them");
}

#[test]
fn hostile_bodies_end_in_failures() {
    let toml = "extract = [{ var = 'x', json_pointer = '/a' }]";
    let deep = "[".repeat(1_000_000);
    let large = vec![b' '; MAX_JSON + 1];
    let long = format!("{{\"a\":\"{}\"}}", "y".repeat(MAX_VALUE + 1));
    let cases: [&[u8]; 6] = [deep.as_bytes(), &large, long.as_bytes(), b"", b"\0", b"\xff"];
    for body in cases {
        let error = run(toml, &Response { status: 200, headers: &[], body }).expect_err("no value");
        assert!(error.starts_with("step 'login', extraction of 'x': ") && error.len() < 200, "it is short: {error}");
    }
    let check = "checks = [{ header = 'h', equals = 'x' }]";
    let value = "ü".repeat(10_000);
    let error = run(check, &Response { status: 200, headers: &[("h", value.as_bytes())], body: b"" });
    assert!(error.expect_err("not equal").len() < 300, "a long value is cut at a character");
}

#[test]
fn badly_written_rules_are_named() {
    for toml in [
        "",
        "status = 99",
        "status = 'abc'",
        "status = []",
        "status = 200\nheader = 'x'",
        "status = 200\nequals = 1",
        "json_pointer = 'x'",
        "json_pointer = '/a~2'",
    ] {
        let check: Check = toml::from_str(toml).expect("a check");
        assert!(check_problem(&check).is_some(), "'{toml}' is no check");
    }
    for toml in ["var = 'x'", "var = 'x.y'\nheader = 'h'", "var = 'x'\nheader = 'h'\njson_pointer = '/x'"] {
        let extract: Extract = toml::from_str(toml).expect("an extraction");
        assert!(extract_problem(&extract).is_some(), "'{toml}' is no extraction");
    }
}

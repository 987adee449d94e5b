//! Plans as text: reading, writing, schema, and errors that name step and line.
use std::time::Duration;

use perfdeck_model::Method;

use super::super::*;

pub(super) const FULL: &str = include_str!("golden/full.toml");

#[test]
fn every_part_of_a_plan_is_read() {
    let plan = from_toml(FULL).expect("a plan");
    assert_eq!((plan.seed, plan.scenario, plan.measured()), (42, true, Span::seconds(340)), "stages are the duration");
    let PlanLoad::Open { rate_per_s, arrivals, max_in_flight, late_limit } = plan.load.clone() else { unreachable!() };
    assert_eq!((rate_per_s, arrivals, max_in_flight), (100.0, Arrivals::Poisson, 200), "the load");
    assert_eq!(late_limit, Some(Span::seconds(2)), "with its limit");
    assert_eq!(plan.stages[2].duration.0, Duration::from_secs(10), "a bare number is seconds");
    assert_eq!(plan.env_names().into_iter().collect::<Vec<_>>(), ["SHOP_PASSWORD"], "what the environment must give");
    let Action::Http(login) = &plan.steps[0].action else { panic!("login is a request") };
    let json = serde_json::json!({"user": "{{users.mail}}", "password": "{{password}}", "since": "2024-01-31"});
    assert_eq!(login.json, Some(JsonBody(json)), "a TOML date is its text");
    assert_eq!(login.method, Method::Post, "the method");
    let Action::Sql(sql) = &plan.steps[2].action else { panic!("buy is a statement") };
    assert_eq!(sql.parameters.len(), 4, "parameters of every kind");
    assert!((plan.steps[2].weight - 2.0).abs() < 1e-12, "a whole number is a weight");
    let minimal = from_toml("name = 'x'").expect("a plan");
    assert_eq!(minimal, Plan::new("x"), "everything else has a default");
}

#[test]
fn what_is_written_is_read_again() {
    let plan = from_toml(FULL).expect("a plan");
    let text = to_toml(&plan);
    assert_eq!(from_toml(&text).expect("written well"), plan, "{text}");
    let mut odd = plan;
    let Action::Http(http) = &mut odd.steps[0].action else { panic!("login is a request") };
    http.json = Some(JsonBody(serde_json::json!({"a": null, "b": [u64::MAX, {"c": "\u{1}\"'''"}]})));
    http.body = Some("line\r\n\ttwo \u{7f}".into());
    odd.steps[0].weight = 1e-9;
    odd.load = PlanLoad::Closed { connections: u32::MAX, think_time: Some(Span(Duration::from_nanos(1))) };
    odd.auth = Some(Auth::Basic { user: "ü".into(), password: Secret::env("P") });
    odd.warmup = Some(Warmup::Fixed { duration: Span(Duration::from_millis(1500)) });
    assert_eq!(from_toml(&to_toml(&odd)).expect("written well"), odd, "nulls, large numbers and control characters");
    let json = serde_json::to_string(&odd).expect("json");
    assert_eq!(serde_json::from_str::<Plan>(&json).expect("json"), odd, "and the window's JSON is the same plan");
}

#[test]
fn mistakes_name_step_and_line() {
    let with = |step: &str| format!("name = 'x'\n\n[[steps]]\nname = 'login'\nkind = 'http'\n{step}\n");
    for (text, message) in [
        (with("methud = 'GET'"), "step 'login' (line 6): unknown field `methud`; did you mean `method`?"),
        (with("wieght = 1"), "step 'login' (line 6): unknown field `wieght`; did you mean `weight`?"),
        (
            with("path = '/'\nchecks = [\n  { status = 200 },\n  { bodi_contains = 'x' },\n]"),
            "step 'login' (line 9): unknown field `bodi_contains`; did you mean `body_contains`?",
        ),
        (with("method = 'GTE'"), "step 'login' (line 3): unknown value `GTE`; did you mean `GET`?"),
        (with("headers = { a = 12345 }"), "step 'login' (line 3): found integer where a string is expected"),
        (
            with("checks = [{ status = { a = 1 } }]"),
            "step 'login' (line 3): `status` is a number such as 200, a class such as \"2xx\", or a list",
        ),
        (
            "name = 'x'\n[[steps]]\nkind = 'htpp'\nname = 'a'".into(),
            "step 'a' (line 2): unknown value `htpp`; did you mean `http`?",
        ),
        ("name = 'x'\n[[steps]]\nkind = 'http'".into(), "step 1 (line 2): missing field `name`"),
        ("name = 'x'\n[[steps]]\nname = 'a'".into(), "step 'a' (line 2): missing field `kind`"),
        ("name = 'x'\nsteps = 5".into(), "plan (line 2): `steps` is a list; write [[steps]]"),
        ("name = 'x'\nsteps = [5]".into(), "step 1 (line 2): it is no table"),
        ("name = 'x'\ndurration = '5s'".into(), "plan (line 2): unknown field `durration`; did you mean `duration`?"),
        (
            "name = 'x'\nduration = '5 parsecs'".into(),
            "plan (line 2): it is not a duration; write 500ms, 30s, 5m or 1h30m",
        ),
        ("seed = 1".into(), "plan (line 1): missing field `name`"),
        (
            "name = 'x'\n[load]\nkind = 'open'\nrate = 5".into(),
            "plan (line 4): unknown field `rate`; there are rate_per_s, arrivals, max_in_flight, late_limit",
        ),
        (
            "name = 'x'\n[[feeds]]\nname = 'u'\nkind = 'csv'\nfil = 'u.csv'".into(),
            "feed 'u' (line 5): unknown field `fil`; did you mean `file`?",
        ),
        ("name = 'x'\nname = 'y'".into(), "line 2, column 1: duplicate key"),
    ] {
        assert_eq!(from_toml(&text).expect_err(&text).to_string(), message, "the error says where and what was meant");
    }
}

#[test]
fn errors_never_repeat_a_secret() {
    for text in [
        "name = 'x'\n[auth]\nkind = 'bearer'\ntoken = 'canary'",
        "name = 'x'\n[auth]\nkind = 'bearer'\ntoken = 1234567890",
        "name = 'x'\n[auth]\nkind = 'basic'\nuser = 'u'\npassword = ['canary']",
        "name = 'x'\nseed = 'canary'",
        "name = 'x'\n[[steps]]\nname = 'a'\nkind = 'http'\nheaders = 'canary'",
        "name = 'x'\n[[steps]]\nname = 'a'\nkind = 'http'\njson = 'canary'",
        "name = 'x'\n[auth]\ntoken = \"canary",
    ] {
        let error = from_toml(text).expect_err(text);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary") && !shown.contains("1234567890"), "the error of {text:?} shows it: {shown}");
    }
}

#[test]
fn the_schema_describes_what_is_read() {
    let schema = schema();
    let properties = schema["properties"].as_object().expect("properties");
    for key in ["name", "seed", "load", "stages", "steps", "feeds", "auth", "thresholds", "variables", "warmup"] {
        assert!(properties.contains_key(key), "the plan's '{key}' is described");
    }
    assert_eq!(schema["required"], serde_json::json!(["name"]), "only the name is needed");
    assert_eq!(schema["additionalProperties"], false, "unknown fields are marked in an editor");
    let plan = serde_json::to_value(from_toml(FULL).expect("a plan")).expect("json");
    check_schema::check(&schema, &schema, &plan, "plan");
    let mut wrong = plan.clone();
    wrong["steps"][0]["methud"] = "GET".into();
    let refused = std::panic::catch_unwind(|| check_schema::check(&schema, &schema, &wrong, "plan"));
    assert!(refused.is_err(), "an unknown field of a step is not described");
}

#[test]
fn the_windows_types_are_those_of_the_text() {
    use ts_rs::TS as _;
    let config = ts_rs::Config::new().with_large_int("number");
    let step = Step::decl(&config);
    assert!(step.contains("PlanStep") && step.contains("HttpStep"), "a step has a name of its own: {step}");
    let http = HttpStep::decl(&config);
    assert!(http.contains("method?: Method") || http.contains("method: Method"), "with its fields: {http}");
    let plan = Plan::decl(&config);
    for part in ["load: PlanLoad", "Array<PlanStage>", "timeout: Span", "auth"] {
        assert!(plan.contains(part), "'{part}' is in {plan}");
    }
    assert_eq!(Span::decl(&config), "type Span = string;", "a duration is its text");
}

/// Enough of JSON Schema 2020-12 to hold the schema against a plan.
mod check_schema {
    use serde_json::Value;

    pub(super) fn check(root: &Value, schema: &Value, value: &Value, place: &str) {
        if let Err(e) = holds(root, schema, value) {
            panic!("{place}: {e}");
        }
    }

    fn holds(root: &Value, schema: &Value, value: &Value) -> Result<Vec<String>, String> {
        let mut known = Vec::new();
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = root.pointer(&reference[1..]).ok_or("a reference to nothing")?;
            known.extend(holds(root, target, value)?);
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(options) = schema.get(key).and_then(Value::as_array) {
                let results: Vec<_> = options.iter().map(|o| holds(root, o, value)).collect();
                let fine: Vec<_> = results.iter().flatten().collect();
                if fine.is_empty() || (key == "oneOf" && fine.len() > 1) {
                    return Err(format!("{} of {key} hold for {value}: {results:?}", fine.len()));
                }
                known.extend(fine[0].clone());
            }
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            known.extend(holds(root, part, value)?);
        }
        if schema.get("const").is_some_and(|c| c != value) {
            return Err(format!("{value} is not {}", schema["const"]));
        }
        if let Some(kind) = schema.get("type") {
            let kinds: Vec<&str> = kind
                .as_str()
                .into_iter()
                .chain(kind.as_array().into_iter().flatten().filter_map(Value::as_str))
                .collect();
            let is = |k: &&str| match *k {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                _ => value.is_null(),
            };
            if !kinds.iter().any(is) {
                return Err(format!("{value} is no {kinds:?}"));
            }
        }
        if let Some(items) = schema.get("items") {
            value.as_array().into_iter().flatten().try_for_each(|v| holds(root, items, v).map(drop))?;
        }
        if let Some(object) = value.as_object() {
            for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
            {
                object.get(name).ok_or_else(|| format!("no {name}"))?;
            }
            if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
                for (name, property) in properties {
                    if let Some(field) = object.get(name) {
                        holds(root, property, field).map_err(|e| format!("{name}: {e}"))?;
                    }
                    known.push(name.clone());
                }
            }
            let closed = |key: &str| schema.get(key) == Some(&Value::Bool(false));
            if closed("additionalProperties") || closed("unevaluatedProperties") {
                let own = |n: &&String| {
                    let own = schema.get("properties").and_then(|p| p.get(n.as_str())).is_some();
                    !(own || closed("unevaluatedProperties") && known.contains(n))
                };
                if let Some(name) = object.keys().find(own) {
                    return Err(format!("{name} is not described"));
                }
            }
        }
        Ok(known)
    }
}

//! What a report promises: self-contained, bounded, honest about gaps, and deaf to hostile text.
mod sample;

use perfdeck_report::{Error, ReportDocument, SCHEMA, render_html, schema, to_json};
use serde_json::Value;

const HOSTILE: &[&str] = &[
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "$& $1 $` \\u003c ${x} {{x}}",
    "\"' onload=alert(1) x=\"",
    "abc\u{202e}lmth.exe\u{2066}",
    "a\0b\u{1b}[31m\u{2028}c",
    "]]><!-- -->",
];

fn count(html: &str, what: &str) -> usize {
    html.matches(what).count()
}

/// The document inside the file, read as a program would.
fn embedded(html: &str) -> ReportDocument {
    let (_, rest) = html.split_once("id=\"perfdeck-report\">").expect("the data is there");
    let (json, _) = rest.split_once("</script>").expect("and ends");
    serde_json::from_str(json).expect("it is the document")
}

#[test]
fn the_file_is_self_contained() {
    let html = render_html(&sample::document()).expect("renders");
    for needle in ["src=", "href=", "@import", "url(", "<link", "<iframe", "onload", "onclick", "javascript:"] {
        assert_eq!(count(&html, needle), 0, "'{needle}' would load or run something");
    }
    assert_eq!(count(&html, "<script"), 1, "the only script element is the data");
    assert!(html.contains("<script type=\"application/json\" id=\"perfdeck-report\">"), "which no browser executes");
    assert!(html.contains("default-src 'none'"), "and the policy says so");
    // Addresses of the SVG namespace are names, not places.
    let places: Vec<&str> = html
        .match_indices("http")
        .map(|(i, _)| &html[i..(i + 30).min(html.len())])
        .filter(|s| s.starts_with("http:") || s.starts_with("https:"))
        .filter(|s| !s.starts_with("http://www.w3.org/2000/svg") && !s.starts_with("http://127.0.0.1:8080"))
        .collect();
    assert!(places.is_empty(), "no address but the target's own: {places:?}");
}

#[test]
fn everything_measured_is_shown() {
    let html = render_html(&sample::document()).expect("renders");
    assert!(
        html.find("class=\"verdict\"").expect("headline") < html.find("<table").expect("tables"),
        "the sentence is first"
    );
    for needle in [
        "1\u{202f}205 of 1\u{202f}250 requests/s",
        "p99 31.0\u{202f}ms",
        "72\u{202f}300",
        "response time",
        "service time",
        "schedule lag",
        "n too small",
        "warm-up",
        "timeout",
        "open loop",
        "TLS certificates",
        "PostgreSQL 15.14",
        "Example CPU",
        "no answer in 10 s",
        "Sequential scans of",
        "<code><bdi>appointments</bdi></code>",
        "Hit ratio",
        "Transactions",
        "CPU",
        "Memory",
        "Percentile curve",
        "axis from 80\u{202f}%",
        "asked for",
    ] {
        assert!(html.contains(needle), "'{needle}' is in the report");
    }
    assert!(html.contains("≥") || html.contains("100/(1−q)"), "it says when a percentile is stated");
    assert!(html.contains("@media print"), "it prints");
}

#[test]
fn the_parts_of_a_plan_are_shown() {
    let mut d = sample::document();
    let plain = render_html(&d).expect("renders");
    for absent in ["<h3>Steps", "<h3>Stages", "<h3>Thresholds"] {
        assert_eq!(count(&plain, absent), 0, "one request has no {absent}");
    }
    sample::with_parts(&mut d.runs[0]);
    let html = render_html(&d).expect("renders");
    for needle in [
        "<code><bdi>GET /book</bdi></code>",
        "500/s to 1\u{202f}500/s",
        "91.0\u{202f}%",
        "✕ not held</span>: <bdi>91.0 % of its rate was sent in time</bdi>",
        "Thresholds<small>1 of 2 failed",
        "<bdi>77.7\u{202f}ms</bdi>",
        "95.5\u{202f}%, at least 99",
        "12.0\u{202f}k/s that it reaches against a target that does nothing",
        "on the target's machine",
        "kept one level",
    ] {
        assert!(html.contains(needle), "'{needle}' is in the report");
    }
}

#[test]
fn a_quota_that_held_the_generator_back_is_in_the_certificate() {
    let row = |seconds: Option<f64>, periods: Option<u64>| {
        let mut d = sample::document();
        (d.runs[0].footing.throttled_s, d.runs[0].footing.throttled_periods) = (seconds, periods);
        let html = render_html(&d).expect("renders");
        html.split_once("held back by a CPU quota").map(|(_, rest)| rest.chars().take(120).collect::<String>())
    };
    let held = row(Some(0.25), Some(1_234)).expect("it is there");
    assert!(held.contains("1\u{202f}234 times, 250\u{202f}ms in all"), "how often and for how long: {held}");
    let free = row(Some(0.0), Some(0)).expect("it is there");
    assert!(free.contains("never"), "a quota that held nothing back is said too: {free}");
    assert_eq!(row(None, None), None, "where the system does not tell, nothing is said");
}

#[test]
fn lanes_share_one_time_axis() {
    let html = render_html(&sample::document()).expect("renders");
    let heads: Vec<&str> =
        html.match_indices("<svg ").map(|(i, _)| html[i..].split('>').next().unwrap_or("")).collect();
    assert!(heads.len() >= 10, "a lane for each group, {} drawn", heads.len());
    for head in &heads {
        assert!(head.contains("viewBox=\"0 0 4320 "), "all are equally wide: {head}");
    }
    // The first vertical grid line of every lane is the start of the run: x = 200 px in quarter pixels.
    let starts = count(&html, "points=\"800,20 800,");
    assert!(starts >= 9, "every lane has its start at the same place, {starts} found");
}

#[test]
fn a_gap_is_never_bridged() {
    let mut with_gap = sample::document();
    with_gap.series[0].series.retain(|s| s.id == "cache.operations");
    let mut without = with_gap.clone();
    without.series = vec![sample::series("r1", 60, 0..0)];
    without.series[0].series.retain(|s| s.id == "cache.operations");
    let ink = |d: &ReportDocument| {
        let html = render_html(d).expect("renders");
        let lane = html
            .split("aria-label=\"Operations")
            .nth(1)
            .and_then(|r| r.split("</svg>").next())
            .expect("lane")
            .to_owned();
        (count(&lane, "stroke=\"#3D5266\""), count(&lane, "stroke=\"#DCDBD5\""))
    };
    let (lines, hatches) = ink(&without);
    assert_eq!((lines, hatches), (1, 0), "without a gap there is one line and no hatch");
    let (lines, hatches) = ink(&with_gap);
    assert_eq!(lines, 2, "a gap cuts the line in two");
    assert!(hatches > 3, "and is hatched");
    let back = embedded(&render_html(&with_gap).expect("renders"));
    assert_eq!(back.series[0].series[0].values[40], None, "in the data it is null, not 0");
}

#[test]
fn hostile_text_stays_text() {
    for text in HOSTILE {
        let mut d = sample::document();
        d.title = (*text).into();
        d.environment.name = (*text).into();
        d.environment.targets[0].address = (*text).into();
        d.environment.targets[1].version = Some((*text).into());
        d.notes = vec![(*text).into()];
        d.findings[0].title = (*text).into();
        d.tool.version = (*text).into();
        d.generated_at = (*text).into();
        let run = &mut d.runs[0];
        run.name = (*text).into();
        let perfdeck_model::RunSpec::Http(spec) = &mut run.spec else { unreachable!("the sample is one request") };
        spec.url = format!("http://h/{text}");
        spec.headers[0].name = (*text).into();
        run.invalid_reasons = vec![(*text).into()];
        run.valid = false;
        run.errors_by_class[0].sample = (*text).into();
        run.errors_by_class[0].class = (*text).into();
        run.machine.cpu = (*text).into();
        sample::with_parts(run);
        run.steps[0].name = (*text).into();
        run.steps[0].request = (*text).into();
        run.stages[1].kind = (*text).into();
        run.stages[1].invalid_reason = Some((*text).into());
        run.thresholds[0].text = (*text).into();
        run.thresholds[0].unit = (*text).into();
        d.series[0].series[0].id = format!("{text}{{a={text}}}");
        let html = render_html(&d).expect("renders");
        assert_eq!(count(&html, "<script"), 1, "{text:?} opens no script");
        assert_eq!(count(&html, "</script"), 1, "{text:?} closes none");
        assert_eq!(count(&html, "<img"), 0, "{text:?} adds no element");
        assert_eq!(count(&html, "<!--"), 0, "{text:?} starts no comment");
        assert!(!html.contains('\0') && !html.contains('\u{1b}'), "{text:?} leaves no control character");
        let body = html.split("<script").next().unwrap_or("");
        assert!(!body.contains('\u{202e}') && !body.contains('\u{2066}'), "{text:?} reorders nothing");
        assert!(!html.contains('\u{2028}'), "{text:?} ends no line of the data");
        let back = embedded(&html);
        assert_eq!(back.title, *text, "the data keeps the name exactly");
    }
}

#[test]
fn no_secret_is_in_either_rendering() {
    let d = sample::document();
    for text in [render_html(&d).expect("renders"), to_json(&d).expect("writes")] {
        assert!(!text.contains("canary"), "secrets of the request are masked");
        assert!(text.contains("day=2026-03-01"), "other parameters are kept");
        assert!(text.contains("Request bodies are replaced by their size"), "and it says what was left out");
    }
}

#[test]
fn size_does_not_depend_on_the_length_of_a_run() {
    let seconds = 3_600 * 12;
    let mut d = sample::document();
    d.series = vec![sample::series("r1", seconds, 100..110)];
    let html = render_html(&d).expect("renders");
    let back = embedded(&html);
    assert!(back.series[0].t_ms.len() <= perfdeck_report::MAX_POINTS, "series are thinned");
    assert!(html.len() < 1_500_000, "twelve hours of ten series fit, {} bytes", html.len());
}

#[test]
fn a_report_without_runs_or_figures_is_answered() {
    let mut d = sample::document();
    d.runs.clear();
    assert!(
        matches!(render_html(&d), Err(Error::Runs { found: 0 })),
        "nothing to report is an error, not an empty page"
    );
    let mut d = sample::document();
    let run = &mut d.runs[0];
    (run.requests, run.errors, run.rate_per_s, run.duration_s) = (0, 0, 0.0, 0.0);
    run.finished_ms = run.started_ms;
    run.intervals.clear();
    run.curve.clear();
    run.response_ms = Some(perfdeck_model::LatencyMs::default());
    d.series.clear();
    let html = render_html(&d).expect("a run that was stopped at once still has a report");
    assert!(html.contains("No response in the measured time"), "which says so");
    assert!(!html.contains("NaN") && !html.contains("inf "), "without nonsense numbers");
}

#[test]
fn several_runs_have_an_overview() {
    let mut d = sample::document();
    d.runs.push(sample::run("r2", "second", 30));
    d.runs[1].valid = false;
    d.runs[1].invalid_reasons = vec!["The generator was saturated".into()];
    let html = render_html(&d).expect("renders");
    assert!(html.contains("2 runs, 1 invalid"), "the headline counts what cannot be trusted");
    assert!(html.contains("The generator was saturated"), "and the reason is there");
    assert!(html.contains("was not watched during this run"), "missing series are said, not drawn");
}

#[test]
fn output_follows_its_own_schema() {
    let schema = schema();
    let json: Value = serde_json::from_str(&to_json(&sample::document()).expect("writes")).expect("is JSON");
    assert_eq!(json["schema"], SCHEMA, "the version is in the document");
    let mut wrong = Vec::new();
    check(&schema, &schema, &json, "$", &mut wrong);
    assert!(wrong.is_empty(), "the document follows the schema: {wrong:?}");
    let mut broken = json;
    broken["runs"][0]["requests"] = Value::String("many".into());
    check(&schema, &schema, &broken, "$", &mut wrong);
    assert_eq!(wrong.len(), 1, "and the check would notice if it did not");
}

/// The part of JSON Schema that schemars writes.
fn check(root: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(path) = schema["$ref"].as_str() {
        let target = root.pointer(path.trim_start_matches('#')).unwrap_or_else(|| panic!("{path} exists"));
        check(root, target, value, at, wrong);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(options) = schema[key].as_array() {
            let fits = options.iter().any(|o| {
                let mut w = Vec::new();
                check(root, o, value, at, &mut w);
                w.is_empty()
            });
            if !fits {
                wrong.push(format!("{at}: no {key} fits"));
            }
        }
    }
    let is = |t: &str| match t {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    let fits = match &schema["type"] {
        Value::String(t) => is(t),
        Value::Array(ts) => ts.iter().filter_map(Value::as_str).any(is),
        _ => true,
    };
    if !fits {
        wrong.push(format!("{at}: {value} is not {}", schema["type"]));
        return;
    }
    if let Some(options) = schema["enum"].as_array()
        && !options.contains(value)
    {
        wrong.push(format!("{at}: {value} is not one of {options:?}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            wrong.push(format!("{at}: {name} is missing"));
        }
    }
    if let (Some(properties), Some(object)) = (schema["properties"].as_object(), value.as_object()) {
        for (name, s) in properties {
            if let Some(v) = object.get(name) {
                check(root, s, v, &format!("{at}.{name}"), wrong);
            }
        }
    }
    if let (Some(items), Some(array)) = (schema.get("items"), value.as_array()) {
        for (i, v) in array.iter().enumerate() {
            check(root, items, v, &format!("{at}[{i}]"), wrong);
        }
    }
}

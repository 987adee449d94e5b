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

/// A document with everything that a report can have in it.
fn whole() -> ReportDocument {
    let mut d = sample::document();
    sample::with_parts(&mut d.runs[0]);
    d.comparisons.push(sample::comparison("c1"));
    d.knees.push(sample::knee("k1"));
    d
}

/// Whitespace of any kind as one space.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_file_is_self_contained() {
    let html = render_html(&whole()).expect("renders");
    for needle in ["src=", "@import", "<link", "<iframe", "onload", "onclick", "javascript:"] {
        assert_eq!(count(&html, needle), 0, "'{needle}' would load or run something");
    }
    let inside = count(&html, "url(data:font/woff2;base64,") + count(&html, "url(#");
    assert_eq!(count(&html, "url("), inside, "only the fonts and the pattern in it are used");
    assert_eq!(count(&html, "href="), count(&html, "href=\"#"), "links stay on the page");
    assert_eq!(count(&html, "<script"), 1, "the only script element is the data");
    assert!(html.contains("<script type=\"application/json\" id=\"perfdeck-report\">"), "which no browser executes");
    assert!(html.contains("default-src 'none'"), "and the policy says so");
    // Addresses of the SVG namespace are names, not places.
    let places: Vec<&str> = html
        .match_indices("http")
        .map(|(i, _)| &html[i..html.floor_char_boundary(i + 30)])
        .filter(|s| s.starts_with("http:") || s.starts_with("https:"))
        .filter(|s| !s.starts_with("http://www.w3.org/2000/svg") && !s.starts_with("http://127.0.0.1:8080"))
        .collect();
    assert!(places.is_empty(), "no address but the target's own: {places:?}");
}

#[test]
fn the_page_is_valid_and_has_its_headings_in_order() {
    let html = render_html(&whole()).expect("renders");
    let page = dom_query::Document::from(html.as_str());
    let mistakes = page.errors.borrow();
    assert!(mistakes.is_empty(), "{mistakes:?}");
    assert_eq!(page.select("h1").length(), 1, "one title");
    assert_eq!(page.select("main > p.verdict").length(), 1, "one answer");
    for link in &page.select(".contents a") {
        let to = link.attr("href").expect("a link").to_string();
        assert_eq!(page.select(&format!("section{to}")).length(), 1, "{to} is on the page");
    }
    for picture in &page.select(".plot > svg") {
        let said = picture.attr("aria-label").expect("a name").to_string();
        assert!(said.len() > 10 && picture.attr("role").is_some(), "each picture says what it shows: {said}");
    }
}

#[test]
fn made_twice_it_is_the_same() {
    let first = (render_html(&whole()).expect("renders"), to_json(&whole()).expect("writes"));
    let second = (render_html(&whole()).expect("renders"), to_json(&whole()).expect("writes"));
    assert!(first == second, "byte for byte");
    // JSON is read back to the last digit but one.
    let again: ReportDocument = serde_json::from_str(&first.1).expect("it is read back");
    let page = |html: &str| html.split("<script").next().map(str::to_owned);
    assert!(page(&first.0) == page(&render_html(&again).expect("renders")), "and of what was written the same page");
    let year = first.0.split("<script").next().expect("a page").matches("202").count();
    assert!(year > 0 && !first.0.contains("generated_at"), "its times are those of the data");
}

#[test]
fn a_comparison_has_its_verdict_effect_interval_footing_and_pictures() {
    let mut d = sample::document();
    (d.runs, d.series, d.heatmaps) = (Vec::new(), Vec::new(), Vec::new());
    d.comparisons.push(sample::comparison("c1"));
    let page = dom_query::Document::from(render_html(&d).expect("renders"));
    assert!(
        plain(&page.select(".verdict").text()).starts_with("Faster: p99 −31 % (95 % interval −36 % to −25 %)"),
        "first"
    );
    let rows: Vec<String> = page.select(".effects tbody tr").iter().map(|r| plain(&r.text())).collect();
    assert_eq!(rows.len(), 5, "each metric: {rows:?}");
    assert_eq!(rows[0], "p99 ◆31.0 ms21.4 ms−31 %−36 % to −26 % Faster", "with both sides, its change and interval");
    assert!(rows[4].ends_with("n too small"), "or why it has none: {}", rows[4]);
    let pictures: Vec<String> =
        page.select(".plot > svg").iter().map(|p| plain(&p.attr("aria-label").expect("named"))).collect();
    assert_eq!(pictures.len(), 5 + 2, "an interval for each metric, the curves and the pairs: {pictures:?}");
    assert_eq!(pictures[0], "p99: −31 % (−36 % to −26 %)", "the interval is in the picture's words");
    let footing = plain(&page.select("table.facts").text());
    for needle in
        ["10 interleaved pairs", "all valid", "no difference", "pair 4 ran again", "the change: setting.database"]
    {
        assert!(footing.contains(needle), "'{needle}' is in what it rests on: {footing}");
    }
    assert!(!page.html().contains("canary"), "nothing of a label is unmasked");
}

#[test]
fn a_knee_has_its_sentence_capacity_steps_and_pictures() {
    let mut d = sample::document();
    (d.runs, d.series, d.heatmaps) = (Vec::new(), Vec::new(), Vec::new());
    d.knees.push(sample::knee("k1"));
    let page = dom_query::Document::from(render_html(&d).expect("renders"));
    let first = plain(&page.select(".verdict").text());
    assert!(first.starts_with("24 connections hold p99 within 50 ms, 28 do not"), "first: {first}");
    assert_eq!(page.select(".plot > svg").length(), 2, "throughput and latency over connections");
    let rows: Vec<String> =
        page.select("section.part table:not(.facts) tbody tr").iter().map(|r| plain(&r.text())).collect();
    assert_eq!(rows.len(), 9, "each step: {rows:?}");
    assert!(rows[5].contains("fails, over the limit") && rows[8].contains("holds"), "{rows:?}");
    let facts = plain(&page.select("table.facts").text());
    for needle in ["1 410/s to 1 520/s, 95 % interval", "host CPU is the limit", "lies beyond what was measured"] {
        assert!(facts.contains(needle), "'{needle}' is in what it rests on: {facts}");
    }
    assert!(!page.html().contains("canary"), "nothing of a name is unmasked");
}

#[test]
fn what_failed_is_in_the_first_line() {
    let first = |d: &ReportDocument| {
        let page = dom_query::Document::from(render_html(d).expect("renders"));
        plain(&page.select(".verdict").text())
    };
    let mut d = sample::document();
    d.series[0].series.push(perfdeck_report::ReportSeries {
        id: "api.probe.failed".into(),
        unit: perfdeck_model::Unit::Count,
        target: perfdeck_model::TargetRole::Api,
        values: (0..60).map(|i| Some(f64::from(u8::from(i < 9)))).collect(),
    });
    assert!(first(&d).starts_with("The API’s probe failed in 9 of 60 samples."), "probes: {}", first(&d));
    let mut d = whole();
    d.comparisons[0].comparison.verdict = perfdeck_stats::Verdict::Slower;
    assert_eq!(
        first(&d),
        "1 run with a failed threshold, 1 run with errors, 1 comparison slower. 1 comparison, 1 knee, 1 run.",
        "of several parts"
    );
}

#[test]
fn a_plan_keeps_its_lines_and_never_widens_the_page() {
    let mut d = sample::document();
    let toml = format!("name = \"x\"\n[[step]]\nurl = \"/{}\"\n", "a".repeat(3_000));
    d.runs[0].spec = perfdeck_model::RunSpec::Plan(sample::plan(&toml));
    let page = dom_query::Document::from(render_html(&d).expect("renders"));
    let shown = page.select("pre").text().to_string();
    assert!(shown.starts_with("name = \"x\"\n[[step]]\n"), "line by line: {shown}");
    assert!(page.html().contains("pre{font:11px/16px"), "set in the page's own style");
    assert!(page.html().contains("white-space:pre-wrap;overflow-wrap:anywhere"), "which breaks what is too long");
}

#[test]
fn times_are_to_the_second_with_their_zone() {
    let html = render_html(&sample::document()).expect("renders");
    let body = html.split("<script").next().expect("a page");
    assert!(body.contains("Measured 2023-11-14 22:13:20 to 22:14:20 UTC"), "when it was measured");
    assert!(body.contains("started 2023-11-14 22:13:20 UTC"), "and each run");
    assert!(body.contains("as of 2023-11-14 22:14:21 UTC"), "and when findings were read");
}

#[test]
fn colours_are_the_windows_in_light_and_dark() {
    let html = render_html(&whole()).expect("renders");
    for (token, light, dark) in
        [("q50", "#6d94bf", "#4d7ba8"), ("q95", "#2c5f9e", "#6fb0ee"), ("q99", "#0c2b50", "#d6e9fb")]
    {
        assert!(
            html.contains(&format!("--{token}:{light};")) && html.contains(&format!("--{token}:{dark};")),
            "{token}"
        );
        assert!(html.contains(&format!("--k:var(--{token})")), "the percentiles are drawn in {token}");
    }
    assert!(html.contains("@media screen and (prefers-color-scheme:dark)"), "dark is for screens; paper is light");
    let known = html.split("--").skip(1).filter_map(|p| p.split_once(':')).map(|p| p.0).collect::<Vec<_>>();
    for used in html.split("var(--").skip(1).filter_map(|p| p.split([')', ',']).next()) {
        assert!(known.contains(&used), "{used} has a colour");
    }
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
        "probe.total",
        "CPU",
        "Memory",
        "Response by percentile",
        "axis from 84\u{202f}%",
        "log scale",
        "Heatmap",
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
        "not held</span>: <bdi>91.0 % of its rate was sent in time</bdi>",
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
    let page = dom_query::Document::from(render_html(&sample::document()).expect("renders"));
    let pictures = page.select(".lane:not(.tall) .plot > svg");
    assert!(pictures.length() >= 10, "a lane for each group, {} drawn", pictures.length());
    for picture in &pictures {
        let places: Vec<String> = picture
            .select("path.grid")
            .iter()
            .filter_map(|p| p.attr("d"))
            .filter(|d| d.contains('V'))
            .map(|d| d.split(' ').next().unwrap_or("").to_owned())
            .collect();
        assert_eq!(
            places,
            ["M0", "M166.7", "M333.3", "M500", "M666.7", "M833.3", "M1000"],
            "every tick is where it is"
        );
    }
}

#[test]
fn what_another_tool_does_not_tell_is_unknown() {
    let mut d = sample::document();
    (d.findings, d.comparisons, d.knees, d.heatmaps, d.series) = <_>::default();
    let mut run = sample::run("r1", "imported", 20);
    let spec = perfdeck_model::PlanSpec { connections: 0, timeout_s: 0.0, ..sample::plan("") };
    run.spec = perfdeck_model::RunSpec::Plan(spec);
    (run.started_ms, run.finished_ms, run.bytes_received) = (0.0, 20_000.0, 0);
    (run.errors, run.errors_by_class, run.statuses, run.intervals) = (100, Vec::new(), Vec::new(), Vec::new());
    d.runs = vec![run.clone()];
    let page = render_html(&d).expect("renders");
    for invented in ["1970", "closed loop", "checked", "received", "None.", "processor"] {
        assert!(!page.split("<script").next().unwrap_or_default().contains(invented), "'{invented}' is not told");
    }
    for said in ["load not told", "start not told", "Which they were is not told", "not told by the tool"] {
        assert!(page.contains(said), "it says '{said}'");
    }

    // Seconds that are stamped with their start: the last one ends after the last stamp.
    let start = 1_795_000_000_000.0;
    (run.started_ms, run.finished_ms, run.duration_s) = (start, start + 2_000.0, 2.0);
    run.intervals = (0..3)
        .map(|i| perfdeck_model::Interval {
            t_ms: start + 1_000.0 * f64::from(i),
            duration_s: 1.0,
            requests: 100,
            errors: if i == 2 { 100 } else { 0 },
            ..perfdeck_model::Interval::default()
        })
        .collect();
    d.runs = vec![run];
    let page = dom_query::Document::from(render_html(&d).expect("renders"));
    let lane = page.select(".lane").iter().find(|l| l.select(".who b").text().contains("Errors")).expect("a lane");
    assert_eq!(lane.select(".read em").text().trim(), "100/s", "the errors of the last second");
}

#[test]
fn a_gap_is_never_bridged() {
    let mut with_gap = sample::document();
    with_gap.series[0].series.retain(|s| s.id == "cache.operations");
    let mut without = with_gap.clone();
    without.series = vec![sample::series("r1", 60, 0..0)];
    without.series[0].series.retain(|s| s.id == "cache.operations");
    let ink = |d: &ReportDocument| {
        let page = dom_query::Document::from(render_html(d).expect("renders"));
        let lane =
            page.select(".lane").iter().find(|l| l.select(".who b").text().contains("Operations")).expect("a lane");
        (lane.select("path.line").length(), lane.select("i.gap > svg.hatch").length())
    };
    assert_eq!(ink(&without), (1, 0), "without a gap there is one line and no hatch");
    assert_eq!(ink(&with_gap), (2, 1), "a gap cuts the line in two and is hatched");
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
        let mut c = sample::comparison("c1");
        (c.name, c.label_a, c.label_b) = ((*text).into(), (*text).into(), (*text).into());
        c.comparison.sentence = (*text).into();
        c.comparison.notes = vec![(*text).into()];
        c.comparison.metrics[0].note = Some((*text).into());
        c.runs[0].name = (*text).into();
        let mut k = sample::knee("k1");
        (k.name, k.slo, k.knee.sentence) = ((*text).into(), (*text).into(), (*text).into());
        k.knee.points[0].figures.utilisation = [((*text).to_owned(), 0.9)].into();
        (d.comparisons, d.knees) = (vec![c], vec![k]);
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
    let d = whole();
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
        matches!(render_html(&d), Err(Error::Contents { found: 0 })),
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
    let page = html.split("<body").nth(1).expect("a page");
    assert!(!page.contains("NaN") && !page.contains("inf "), "without nonsense numbers");
}

#[test]
fn several_runs_have_an_overview() {
    let mut d = sample::document();
    d.runs.push(sample::run("r2", "second", 30));
    d.runs[1].valid = false;
    d.runs[1].invalid_reasons = vec!["The generator was saturated".into()];
    let html = render_html(&d).expect("renders");
    assert!(
        html.contains("1 run invalid, 2 runs with errors</span>. 2 runs"),
        "the headline begins with what is wrong"
    );
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

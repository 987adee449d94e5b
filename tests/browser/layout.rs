//! What only a browser can tell of drawing: words that lie over each other, figures that break, pages wider than their window.
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::can_run;
use crate::support::journey::{self, id};
use crate::support::perfctl::Server;
use crate::support::webdriver::Session;
use crate::{PROGRAMS, Stage};

const LOOK: &str = include_str!("../support/layout.js");
/// Windows by width, height and zoom; the last is a small one at 200 %.
const SIZES: &[(u32, u32, u32)] = &[(1440, 900, 1), (1100, 700, 1), (900, 700, 1), (720, 450, 2)];
const SOON: Duration = Duration::from_secs(20);

/// Waits for a job of the server and answers what it made.
fn finished(server: &Server, job: &Value) -> Value {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let now = server.call("job.get", &json!({ "id": job["id"] })).expect("the job");
        if now["state"] != "running" {
            assert_eq!(now["state"], "done", "{now}");
            return now;
        }
        assert!(Instant::now() < deadline, "the job ends: {now}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What is wrong with a page's words, at every width.
fn looked_at(page: &Session, what: &str) -> Result<Vec<String>, String> {
    let mut wrong = Vec::new();
    for (width, height, zoom) in SIZES {
        page.viewport(*width, *height, *zoom)?;
        // Measured and drawn again: two frames, after the fonts are there.
        page.run_async(
            "const done = arguments[arguments.length - 1];
             document.fonts.ready.then(() => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 300))))",
        )?;
        let found = page.run(LOOK, &[json!("#app")])?;
        let found = found.as_array().ok_or_else(|| format!("no list but {found}"))?;
        wrong.extend(found.iter().map(|text| format!("{what} at {width} px: {}", text.as_str().unwrap_or_default())));
    }
    page.viewport(1440, 900, 1)?;
    Ok(wrong)
}

/// The axes of the drawn pictures have words at all; else there would be nothing to collide.
fn drawn(page: &Session, css: &str) -> Result<(), String> {
    page.wait_until(
        &format!("words in {css}"),
        SOON,
        "return (document.querySelector(arguments[0])?.textContent ?? '').length > 3",
        &[json!(css)],
    )
    .map(drop)
}

#[test]
fn e2e_words_have_a_place_of_their_own_at_every_width() {
    if !can_run(PROGRAMS) {
        return;
    }
    let stage = Stage::new();
    let (server, page) = (&stage.server, &stage.browser.session);
    let opened = server.call("demo.open", &json!({})).expect("the demo");
    finished(server, &opened);
    let environments = server.call("env.list", &json!({})).expect("the environments");
    let targets = environments[0]["targets"].as_array().cloned().unwrap_or_default();
    let api = targets.iter().find(|target| target[0] == "api").expect("the demo has an API")[1].clone();
    let runs: Vec<String> = ["appointments/17", "users/17"]
        .into_iter()
        .map(|path| {
            let url = format!("{}/{path}", api.as_str().unwrap_or_default().trim_end_matches('/'));
            let spec = json!({
                "kind": "http", "url": url, "load": { "kind": "closed" }, "connections": 2, "duration_s": 3.0, "warmup_s": 0.5
            });
            let name = format!("{path} of a clinic whose name is long enough to be cut somewhere");
            let asked = json!({ "spec": spec, "environment_id": "demo", "name": name });
            let job = finished(server, &server.call("bench.start", &asked).expect("a benchmark"));
            job["result"]["id"].as_str().expect("it made a run").to_owned()
        })
        .collect();
    let steps = || {
        let mut wrong = Vec::new();
        journey::open(page, "/e/demo/overview")?;
        journey::overview_is_live(page)?;
        wrong.extend(looked_at(page, "the overview")?);
        journey::open(page, &format!("/e/demo/benchmarks/compare/{}/{}", runs[0], runs[1]))?;
        page.wait_for(&id("comparison"), SOON)?;
        drawn(page, &id("compare-heat-b"))?;
        drawn(page, &id("compare-cost-row"))?;
        drawn(page, &id("comparison-metrics"))?;
        wrong.extend(looked_at(page, "the comparison")?);
        journey::open(page, &format!("/e/demo/benchmarks/{}", runs[0]))?;
        drawn(page, &id("run-footing"))?;
        wrong.extend(looked_at(page, "the run")?);
        segments_stay(page)?;
        rows_follow_the_density(page)?;
        Ok::<_, String>(wrong)
    };
    let wrong = steps().unwrap_or_else(|error| panic!("looking: {error}"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A segment that is chosen does not move those beside it.
fn segments_stay(page: &Session) -> Result<(), String> {
    journey::open(page, "/e/demo/settings")?;
    let light = id("theme-light");
    page.wait_for(&light, SOON)?;
    let places = "return [...document.querySelectorAll('[data-testid^=theme-]')].map(e => Math.round(e.getBoundingClientRect().left))";
    let before = page.run(places, &[])?;
    page.click(&light)?;
    page.wait_until(
        "the light theme",
        SOON,
        "return document.querySelector(arguments[0]).getAttribute('aria-checked') === 'true'",
        &[json!(light)],
    )?;
    let after = page.run(places, &[])?;
    if before == after { Ok(()) } else { Err(format!("the segments moved: {before} to {after}")) }
}

/// Compact density makes the rows of lists lower, all of a list alike: those with buttons in the journal, and the runs.
fn rows_follow_the_density(page: &Session) -> Result<(), String> {
    for (density, height) in [("compact", 24), ("normal", 28)] {
        let rows_of = |list: &str| {
            page.wait_until(
                &format!("rows of {height} px in {list}"),
                SOON,
                "const rows = [...document.querySelectorAll(`${arguments[0]} tr[data-row]`)];
                 return rows.length > 0 && rows.every(row => row.offsetHeight === arguments[1])",
                &[json!(id(list)), json!(height)],
            )
        };
        journey::open(page, "/e/demo/settings")?;
        let segment = id(&format!("density-{density}"));
        page.wait_for(&segment, SOON)?;
        page.click(&segment)?;
        rows_of("journal")?;
        journey::open(page, "/e/demo/benchmarks")?;
        rows_of("run-table")?;
    }
    Ok(())
}

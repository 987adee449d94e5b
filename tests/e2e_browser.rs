//! The same UI in a browser, against `perfctl serve`.
#[path = "browser/crawl.rs"]
mod crawl;
#[path = "browser/layout.rs"]
mod layout;
#[path = "browser/session.rs"]
mod session;
mod support;

use std::time::Duration;

use perfdeck_testkit::{Answer, Redis, ScriptedHttp};
use serde_json::json;
use support::can_run;
use support::desktop::Browser;
use support::journey::{self, id};
use support::perfctl::{Perfctl, Server};

/// The key Control, as WebDriver names it.
const CONTROL: char = '\u{E009}';
const PROGRAMS: &[&str] = &["chromium", "chromedriver"];

struct Stage {
    server: Server,
    browser: Browser,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let perfctl = Perfctl::on(&folder.path().join("data"));
        let server = Server::start(&perfctl);
        let browser = Browser::start(1440, 900, folder.path()).unwrap_or_else(|error| panic!("{error}"));
        browser.session.goto(&server.url()).expect("the UI opens");
        Self { server, browser, _folder: folder }
    }
}

#[test]
fn e2e_the_start_screen_leads_to_the_live_demo() {
    if !can_run(PROGRAMS) {
        return;
    }
    let stage = Stage::new();
    let page = &stage.browser.session;
    page.wait_for(&id("start"), Duration::from_secs(20)).unwrap_or_else(|error| panic!("the start screen: {error}"));
    page.click(&id("open-demo")).unwrap_or_else(|error| panic!("opening the demo: {error}"));
    journey::overview_is_live(page).unwrap_or_else(|error| panic!("the demo's overview: {error}"));
    journey::charts_move(page, &["cpu", "network"]).unwrap_or_else(|error| panic!("its charts: {error}"));
    let errors: Vec<_> = page
        .log("browser")
        .expect("Chromium's console")
        .into_iter()
        .filter(|entry| entry["level"] == "SEVERE")
        .collect();
    assert!(errors.is_empty(), "the console stays free of errors: {errors:#?}");
}

#[test]
fn e2e_the_token_does_not_stay_in_the_address() {
    if !can_run(PROGRAMS) {
        return;
    }
    let stage = Stage::new();
    let page = &stage.browser.session;
    page.wait_until(
        "the address without the token",
        Duration::from_secs(20),
        "return !location.href.includes('token')",
        &[],
    )
    .unwrap_or_else(|error| panic!("the token must not stay where it is copied or stored: {error}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_a_production_environment_is_unlocked_by_its_name() {
    if !can_run(PROGRAMS) {
        return;
    }
    let api = ScriptedHttp::start(|_| Answer::ok("{}")).await.expect("a scripted API");
    let stage = Stage::new();
    let page = &stage.browser.session;
    let draft = json!({ "name": "shop-prod", "kind": "production", "targets": { "api": api.url() } });
    let made = stage.server.call("env.create", &json!({ "draft": draft })).expect("an environment");
    let unlocked = |wanted: bool| {
        page.wait_until(
            if wanted { "the environment to be unlocked" } else { "the environment to be locked" },
            Duration::from_secs(10),
            "const g = document.querySelector('[data-testid=guard]');
             return g && g.dataset.unlocked === String(arguments[0])",
            &[json!(wanted)],
        )
    };
    let steps = || {
        page.wait_for(&id("start"), Duration::from_secs(20))?;
        page.click(&id("env-block"))?;
        page.click("[data-testid=env-menu] [data-testid=env-choose][data-env=shop-prod]")?;
        unlocked(false)?;
        page.click(&id("env-unlock"))?;
        page.fill(&id("unlock-name"), "shop-pro")?;
        let off = page.run("return document.querySelector('[data-testid=unlock-confirm]').disabled", &[])?;
        assert_eq!(off, json!(true), "the button stays off until the name matches");
        page.fill(&id("unlock-name"), "shop-prod")?;
        page.click(&id("unlock-confirm"))?;
        unlocked(true)?;
        page.click(&id("env-lock"))?;
        unlocked(false)
    };
    steps().unwrap_or_else(|error| panic!("unlocking: {error}"));
    let refused = stage.server.call("env.unlock", &json!({ "id": made["id"], "confirm": "shop" }));
    assert!(refused.is_err(), "the server itself asks for the name too: {refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_two_runs_are_compared() {
    if !can_run(PROGRAMS) {
        return;
    }
    let api = ScriptedHttp::start(|_| Answer::ok("{}")).await.expect("a scripted API");
    let stage = Stage::new();
    let page = &stage.browser.session;
    let spec = json!({
        "kind": "http", "url": api.url(), "load": { "kind": "closed" }, "connections": 2, "duration_s": 0.5, "warmup_s": 0.0
    });
    for name in ["before", "after"] {
        let job = stage.server.call("bench.start", &json!({ "spec": spec, "name": name })).expect("a benchmark");
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while stage.server.call("job.get", &json!({ "id": job["id"] })).expect("the job")["state"] == "running" {
            assert!(std::time::Instant::now() < deadline, "half a second of load ends");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let steps = || {
        page.wait_for(&id("start"), Duration::from_secs(20))?;
        journey::open(page, "/benchmarks")?;
        page.wait_until(
            "two runs",
            Duration::from_secs(10),
            "return document.querySelectorAll('[data-testid=run-choose]').length === 2",
            &[],
        )?;
        page.run("document.querySelectorAll('[data-testid=run-choose]').forEach(box => box.click())", &[])?;
        page.click(&id("runs-compare"))?;
        page.wait_for("[data-testid=comparison][data-verdict=inconclusive]", Duration::from_secs(10))?;
        let words = page.run("return document.querySelector('[data-testid=comparison]').innerText", &[])?;
        let words = words.as_str().unwrap_or_default();
        assert!(words.contains("before") && words.contains("after"), "both are named: {words}");
        assert!(words.contains("only indicative"), "and that one run a side proves nothing: {words}");
        Ok::<_, String>(())
    };
    steps().unwrap_or_else(|error| panic!("comparing: {error}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_an_environment_is_created_in_the_form() {
    if !can_run(PROGRAMS) {
        return;
    }
    let redis = Redis::start_with_password("perfdeck-canary-secret-redis").await.expect("a private Redis");
    let api = ScriptedHttp::start(|_| Answer::ok("{}")).await.expect("a scripted API");
    let stage = Stage::new();
    let page = &stage.browser.session;
    let fill = || {
        page.wait_for(&id("start"), Duration::from_secs(20))?;
        journey::open(page, "/environments/new")?;
        // Cut and pasted as from another program: the password leaves the field with the paste.
        page.fill(&id("env-name"), &redis.url())?;
        page.run("const e = document.querySelector(arguments[0]); e.focus(); e.select()", &[json!(id("env-name"))])?;
        page.chord(CONTROL, 'x')?;
        page.run("document.querySelector(arguments[0]).focus()", &[json!(id("env-cache"))])?;
        page.chord(CONTROL, 'v')?;
        page.wait_until(
            "an address without its password",
            Duration::from_secs(10),
            "const v = document.querySelector(arguments[0]).value; return v.startsWith('redis://') && !v.includes('canary')",
            &[json!(id("env-cache"))],
        )?;
        // Typed, it leaves when the field is left; an edit afterwards does not take it along, and says so.
        page.fill(&id("env-database"), "postgres://u:canary@127.0.0.1:1/d")?;
        page.fill(&id("env-name"), "Shop")?;
        page.wait_until(
            "a typed address without its password",
            Duration::from_secs(10),
            "return document.querySelector(arguments[0]).value === 'postgres://u@127.0.0.1:1/d'",
            &[json!(id("env-database"))],
        )?;
        page.run("document.querySelector(arguments[0]).focus()", &[json!(id("env-database"))])?;
        page.keys("b")?;
        page.wait_until(
            "a word about the password",
            Duration::from_secs(10),
            "return document.querySelector('[data-testid=env-form]').innerText.includes('before the edit')",
            &[],
        )?;
        page.fill(&id("env-database"), "")?;
        page.fill(&id("env-api"), &api.url())?;
        page.click(&id("env-save"))?;
        journey::overview_is_live(page)
    };
    fill().unwrap_or_else(|error| panic!("creating an environment: {error}"));
    let list = stage.server.call("env.list", &json!({})).expect("the list of environments");
    let shop = list.as_array().into_iter().flatten().find(|e| e["name"] == "Shop").expect("Shop is stored");
    assert!(!shop.to_string().contains("canary"), "the password is not part of what is stored: {shop}");
}

/// A plan with two steps and an objective that holds.
fn plan(api: &str) -> String {
    format!(
        r#"
name = "browse"
scenario = true
base_url = "{api}"
duration = "1s"
thresholds = ["errors < 1%"]
[load]
kind = "closed"
connections = 2
[warmup]
kind = "fixed"
duration = "0s"
[[steps]]
name = "list"
kind = "http"
path = "/list"
[[steps]]
name = "one"
kind = "http"
path = "/one"
"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_a_plan_is_mended_run_and_kept_as_a_baseline() {
    if !can_run(PROGRAMS) {
        return;
    }
    let api = ScriptedHttp::start(|_| Answer::ok("{}")).await.expect("a scripted API");
    let stage = Stage::new();
    let page = &stage.browser.session;
    let write = |text: &str| {
        page.run(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1];
             e.dispatchEvent(new Event('input', { bubbles: true }))",
            &[json!(id("plan-text")), json!(text)],
        )
    };
    let steps = || {
        page.wait_for(&id("start"), Duration::from_secs(20))?;
        journey::open(page, "/benchmarks/plans")?;
        page.click(&id("plan-template"))?;
        page.wait_for(&id("plan-text"), Duration::from_secs(10))?;
        write(&plan(&api.url()).replace("scenario", "scenery"))?;
        page.wait_for(&id("plan-problem"), Duration::from_secs(10))?;
        let problem = page.text(&id("plan-problems"))?.unwrap_or_default();
        assert!(problem.contains("scenery"), "what is wrong is named: {problem}");
        write(&plan(&api.url()))?;
        let mended = "return !document.querySelector(arguments[0]) && !document.querySelector(arguments[1]).disabled";
        let both = [json!(id("plan-problem")), json!(id("plan-run"))];
        page.wait_until("a plan that can be run", Duration::from_secs(10), mended, &both)?;
        page.click(&id("plan-run"))?;
        page.wait_for(&id("run-threshold"), Duration::from_secs(30))?;
        let rows = page.run("return document.querySelectorAll(arguments[0]).length", &[json!(id("run-step"))])?;
        assert_eq!(rows, json!(2), "one row for each step");
        page.click(&id("run-keep"))?;
        page.fill(&id("baseline-name"), "release 1")?;
        page.click(&id("baseline-keep"))?;
        page.wait_for(&id("run-baseline"), Duration::from_secs(10))
    };
    steps().unwrap_or_else(|error| panic!("from a plan to a baseline: {error}"));
    let kept = stage.server.call("baseline.list", &json!({})).expect("the baselines");
    assert_eq!(kept[0]["name"], "release 1", "{kept}");
    assert!(api.requests() >= 4, "the target saw both steps");
}

/// A plan without an address of its own: it goes to the environment's.
const ANYWHERE: &str = r#"
name = "anywhere"
duration = "500ms"
load = { kind = "closed", connections = 8 }
[[steps]]
name = "list"
kind = "http"
path = "/list"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_a_plan_is_compared_between_environments_and_its_knee_is_found() {
    if !can_run(PROGRAMS) {
        return;
    }
    let after = |ms: u64| ScriptedHttp::start(move |_| Answer::ok("{}").after(Duration::from_millis(ms)));
    let (fast, slow) = (after(2).await.expect("a scripted API"), after(8).await.expect("another"));
    let stage = Stage::new();
    let page = &stage.browser.session;
    let mut ids = Vec::new();
    for (name, api) in [("blue", &fast), ("green", &slow)] {
        let draft = json!({ "name": name, "targets": { "api": api.url() } });
        ids.push(stage.server.call("env.create", &json!({ "draft": draft })).expect("an environment")["id"].clone());
    }
    let fill = |testid: &str, event: &str, value: &serde_json::Value| {
        page.run(
            "const e = document.querySelector(arguments[0]); e.value = arguments[2];
             e.dispatchEvent(new Event(arguments[1], { bubbles: true }))",
            &[json!(id(testid)), json!(event), value.clone()],
        )
    };
    let ready = || {
        let may = "return document.querySelector(arguments[0])?.disabled === false";
        page.wait_until("a start that may be", Duration::from_secs(10), may, &[json!(id("plan-run"))])
    };
    let steps = || {
        page.wait_for(&id("start"), Duration::from_secs(20))?;
        page.click(&id("env-block"))?;
        page.click("[data-testid=env-menu] [data-testid=env-choose][data-env=blue]")?;
        journey::open(page, "/benchmarks/plans")?;
        page.click(&id("plan-template"))?;
        page.wait_for(&id("plan-text"), Duration::from_secs(10))?;
        fill("plan-text", "input", &json!(ANYWHERE))?;
        ready()?;
        page.click(&id("bench-against"))?;
        let off = page.run("return document.querySelector(arguments[0]).disabled", &[json!(id("plan-run"))])?;
        assert_eq!(off, json!(true), "there is no B yet");
        fill("plan-other", "change", &ids[1])?;
        page.fill(&id("plan-pairs"), "6")?;
        ready()?;
        page.click(&id("plan-run"))?;
        page.wait_for("[data-testid=comparison][data-verdict=slower]", Duration::from_secs(90))?;
        let said = page.text(&id("comparison"))?.unwrap_or_default();
        assert!(said.contains("green") && said.contains("blue"), "both sides are named: {said}");
        journey::open(page, "/benchmarks/plans/new")?;
        page.wait_for(&id("plan-text"), Duration::from_secs(10))?;
        page.click(&id("bench-mode-knee"))?;
        for (field, value) in
            [("knee-slo", "p99<5s"), ("knee-max", "4"), ("knee-step", "0.5s"), ("knee-confirm", "0.5s")]
        {
            page.fill(&id(field), value)?;
        }
        ready()?;
        page.click(&id("plan-run"))?;
        page.wait_for(&id("knee-sentence"), Duration::from_secs(60))
    };
    steps().unwrap_or_else(|error| panic!("the questions of a plan: {error}"));
    assert!(slow.requests() > 600 && fast.requests() > slow.requests(), "both sides were loaded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_a_knee_is_found_listed_deleted_and_brought_back_and_the_journal_knows() {
    if !can_run(PROGRAMS) {
        return;
    }
    let api = ScriptedHttp::start(|_| Answer::ok("{}")).await.expect("a scripted API");
    let stage = Stage::new();
    let page = &stage.browser.session;
    let rows = |testid: &str, wanted: usize| {
        page.wait_until(
            &format!("{wanted} of {testid}"),
            Duration::from_secs(10),
            "return document.querySelectorAll(arguments[0]).length === arguments[1]",
            &[json!(id(testid)), json!(wanted)],
        )
    };
    let steps = || {
        page.wait_for(&id("start"), Duration::from_secs(20))?;
        journey::open(page, "/benchmarks/new")?;
        page.fill(&id("bench-url"), &api.url())?;
        page.run("document.querySelector(arguments[0]).click()", &[json!(id("bench-mode-knee"))])?;
        for (field, value) in
            [("knee-slo", "p99<5s"), ("knee-max", "2"), ("knee-step", "0.5s"), ("knee-confirm", "0.5s")]
        {
            page.fill(&id(field), value)?;
        }
        page.click(&id("bench-start"))?;
        page.wait_for(&id("knee-sentence"), Duration::from_secs(60))?;
        page.click(&id("runs-back"))?;
        rows("knee-row", 1)?;
        page.click(&id("knee-delete"))?;
        // Its runs stay together; what was found out is gone.
        rows("knee-delete", 0)?;
        page.click(&id("bench-notice-action"))?;
        rows("knee-delete", 1)?;
        journey::open(page, "/settings?journal")?;
        // The runs of a search are folded under it.
        page.wait_for("[data-testid=journal-entry][data-kind=part]", Duration::from_secs(10))?;
        page.click(&id("journal-fold"))?;
        page.wait_for("[data-testid=journal-entry][data-kind=load_ended]", Duration::from_secs(10))?;
        let words = page.text(&id("journal"))?.unwrap_or_default();
        assert!(
            words.contains("127.0.0.1") && words.contains("ran to its end"),
            "where load went and its end: {words}"
        );
        Ok::<_, String>(())
    };
    steps().unwrap_or_else(|error| panic!("a knee and the journal: {error}"));
}

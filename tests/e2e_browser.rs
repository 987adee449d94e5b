//! The same UI in a browser, against `perfctl serve`.
mod support;

use std::time::Duration;

use perfdeck_testkit::{Answer, Redis, ScriptedHttp};
use serde_json::json;
use support::can_run;
use support::desktop::Browser;
use support::journey::{self, id};
use support::perfctl::{Perfctl, Server};

const PROGRAMS: &[&str] = &["chromium", "chromedriver"];

struct Stage {
    server: Server,
    browser: Browser,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let perfctl = Perfctl::on(&folder.path().join("data")).with("PERFDECK_SECRET_STORE", "session");
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
        page.click("[data-testid=env-choose][data-env=shop-prod]")?;
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
        page.fill(&id("env-name"), "Shop")?;
        page.fill(&id("env-cache"), &redis.url())?;
        page.fill(&id("env-api"), &api.url())?;
        page.click(&id("env-save"))?;
        journey::overview_is_live(page)
    };
    fill().unwrap_or_else(|error| panic!("creating an environment: {error}"));
    let list = stage.server.call("env.list", &json!({})).expect("the list of environments");
    let shop = list.as_array().into_iter().flatten().find(|e| e["name"] == "Shop").expect("Shop is stored");
    assert!(!shop.to_string().contains("canary"), "the password is not part of what is stored: {shop}");
}

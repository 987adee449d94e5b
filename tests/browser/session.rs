//! The session of the browser face and the state in its address: reload, Back, tabs, links, pasted addresses; and the main job by
//! keyboard alone.
use std::time::Duration;

use perfdeck_testkit::{Answer, ScriptedHttp};
use serde_json::{Value, json};

use crate::support::can_run;
use crate::support::desktop::Browser;
use crate::support::journey::id;
use crate::support::keyboard;
use crate::support::perfctl::{Perfctl, Server, eventually};
use crate::support::webdriver::Session;
use crate::{CONTROL, PROGRAMS, Stage};

const SOON: Duration = Duration::from_secs(20);
/// Words in front of the address that is printed for a browser that is not signed in.
const ASKED: &str = "asks for an address";

/// Waits until the page shows this environment and this screen.
fn shows(page: &Session, environment: &str, screen: &str) -> Result<(), String> {
    page.wait_until(
        &format!("{screen} of {environment}"),
        SOON,
        "const b = document.querySelector('[data-testid=env-block] b');
         return b?.textContent === arguments[0] && !!document.querySelector(`[data-testid=\"screen-${arguments[1]}\"]`)",
        &[json!(environment), json!(screen)],
    )
    .map(drop)
}

fn says(page: &Session, words: &str) -> Result<(), String> {
    page.wait_until(
        &format!("the words {words:?}"),
        SOON,
        "return document.querySelector('[data-testid=failure]')?.innerText.includes(arguments[0])",
        &[json!(words)],
    )
    .map(drop)
}

/// An environment with one run; their identifiers.
fn environment(server: &Server, name: &str, api: &str) -> (String, String) {
    let text = |value: &Value| value.as_str().expect("an identifier").to_owned();
    let draft = json!({ "name": name, "targets": { "api": api } });
    let made = text(&server.call("env.create", &json!({ "draft": draft })).expect("an environment")["id"]);
    let spec = json!({
        "kind": "http", "url": api, "load": { "kind": "closed" }, "connections": 2, "duration_s": 0.3, "warmup_s": 0.0
    });
    let asked = json!({ "spec": spec, "name": format!("run of {name}"), "environment_id": made });
    let job = server.call("bench.start", &asked).expect("a benchmark");
    let run = eventually("the run ends", Duration::from_secs(30), || {
        let job = server.call("job.get", &json!({ "id": job["id"] })).ok()?;
        job["result"]["id"].as_str().map(str::to_owned)
    });
    (made, run)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_a_printed_address_opens_one_browser_and_all_its_tabs() {
    if !can_run(PROGRAMS) {
        return;
    }
    let api = ScriptedHttp::start(|_| Answer::ok("{}")).await.expect("a scripted API");
    let stage = Stage::new();
    let page = &stage.browser.session;
    let (shop, _) = environment(&stage.server, "shop", &api.url());
    let link = stage.server.at(&format!("/e/{shop}/settings"));
    let steps = || {
        page.wait_for(&id("start"), SOON)?;
        let cookies = page.devtools("Network.getAllCookies", &json!({}))?;
        let cookie = &cookies["cookies"][0];
        assert_eq!((&cookie["httpOnly"], &cookie["sameSite"]), (&json!(true), &json!("Strict")), "{cookies}");
        let shown = page.run("return document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })", &[])?;
        assert!(
            !shown.to_string().contains(cookie["value"].as_str().unwrap_or("?")),
            "the page never sees it: {shown}"
        );
        page.goto(&link)?;
        shows(page, "shop", "settings")?;
        page.reload()?;
        shows(page, "shop", "settings")?;
        // A link that is opened beside it, and an address that is pasted into a new tab.
        page.click_with(CONTROL, &id("nav-reports"))?;
        let tabs = eventually("another tab", SOON, || page.tabs().ok().filter(|all| all.len() == 2));
        page.show_tab(&tabs[1])?;
        shows(page, "shop", "reports")?;
        page.new_tab()?;
        page.goto(&link)?;
        shows(page, "shop", "settings")
    };
    steps().unwrap_or_else(|error| panic!("one browser: {error}"));

    let home = tempfile::tempdir().expect("a folder");
    let other = Browser::start(1440, 900, home.path()).unwrap_or_else(|error| panic!("{error}"));
    let page = &other.session;
    let steps = || {
        page.goto(&stage.server.url())?;
        says(page, "opened before")?;
        says(page, "new address")?;
        let printed = stage.server.printed(ASKED);
        // Pasted into the same tab: only the fragment changes, and the page is not loaded for that.
        page.run("location.href = arguments[0]", &[json!(printed)])?;
        page.wait_for(&id("start"), SOON)?;
        page.wait_until("the token to leave the address", SOON, "return !location.href.includes('token')", &[])?;
        page.goto(&stage.server.printed("only look"))?;
        page.wait_for(&id("only-looks"), SOON)
    };
    steps().unwrap_or_else(|error| panic!("another browser: {error}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_a_server_that_was_started_anew_is_entered_from_the_same_tab() {
    if !can_run(PROGRAMS) {
        return;
    }
    let api = ScriptedHttp::start(|_| Answer::ok("{}")).await.expect("a scripted API");
    let folder = tempfile::tempdir().expect("a folder");
    let perfctl = Perfctl::on(&folder.path().join("data"));
    let server = Server::start(&perfctl);
    let browser = Browser::start(1440, 900, folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let page = &browser.session;
    let (shop, _) = environment(&server, "shop", &api.url());
    let steps = || {
        page.goto(&server.url())?;
        page.wait_for(&id("start"), SOON)?;
        page.goto(&server.at(&format!("/e/{shop}/settings")))?;
        shows(page, "shop", "settings")?;
        let server = Server::start_at(&perfctl, server.stop());
        says(page, "started anew")?;
        says(page, "Open the address that it printed")?;
        shows(page, "shop", "settings")?;
        page.run("location.href = arguments[0]", &[json!(server.url())])?;
        page.wait_until(
            "nothing to say any more",
            SOON,
            "return !document.querySelector('[data-testid=failure]') && !location.href.includes('token')",
            &[],
        )?;
        shows(page, "shop", "settings")
    };
    steps().unwrap_or_else(|error| panic!("a new server: {error}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_the_address_is_the_state() {
    if !can_run(PROGRAMS) {
        return;
    }
    let api = ScriptedHttp::start(|_| Answer::ok("{}")).await.expect("a scripted API");
    let stage = Stage::new();
    let page = &stage.browser.session;
    let (blue, _) = environment(&stage.server, "blue", &api.url());
    let (green, run) = environment(&stage.server, "green", &api.url());
    let steps = || {
        page.wait_for(&id("start"), SOON)?;
        page.goto(&stage.server.at(&format!("/e/{blue}/settings")))?;
        shows(page, "blue", "settings")?;
        let first = page.tabs()?.remove(0);
        page.new_tab()?;
        page.goto(&stage.server.at(&format!("/e/{green}/reports")))?;
        shows(page, "green", "reports")?;
        page.show_tab(&first)?;
        page.reload()?;
        shows(page, "blue", "settings")?;

        // A step back: scrolled as it was, and its title.
        page.viewport(900, 400, 1)?;
        let scrolled = "const main = document.querySelector('main'); const all = [main, ...main.querySelectorAll('*')];
             return all.find((e) => e.scrollHeight > e.clientHeight + 200 && getComputedStyle(e).overflowY === 'auto')";
        let scroll =
            format!("const e = (() => {{ {scrolled} }})(); if (!e) return false; e.scrollTop = 180; return true");
        page.wait_until("enough to scroll", SOON, &scroll, &[])?;
        // What comes later above moves what is read down: where it was left counts, not where it was put.
        let left = page.run_async(&format!(
            "const done = arguments[0]; const e = (() => {{ {scrolled} }})();
             requestAnimationFrame(() => requestAnimationFrame(() => done(Math.round(e.scrollTop))))"
        ))?;
        page.click(&id("nav-reports"))?;
        shows(page, "blue", "reports")?;
        page.back()?;
        shows(page, "blue", "settings")?;
        let there =
            format!("const e = (() => {{ {scrolled} }})(); return e && Math.round(e.scrollTop) === arguments[0]");
        page.wait_until("the settings to be scrolled as before", SOON, &there, &[left])?;
        page.wait_until("the title", SOON, "return document.title === 'Settings, blue – Perfdeck'", &[])?;

        // A run of another environment than the address names.
        page.goto(&stage.server.at(&format!("/e/{blue}/benchmarks/{run}")))?;
        shows(page, "green", "benchmarks")?;
        page.wait_for(&id("run-sentence"), SOON)?;
        page.wait_until(
            "its own environment in the address",
            SOON,
            "return location.hash.startsWith(`#/e/${arguments[0]}/benchmarks/`)",
            &[json!(green)],
        )
    };
    steps().unwrap_or_else(|error| panic!("the state in the address: {error}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e2e_a_difference_is_proven_and_reported_by_keyboard_alone() {
    if !can_run(PROGRAMS) {
        return;
    }
    let after = |ms: u64| ScriptedHttp::start(move |_| Answer::ok("{}").after(Duration::from_millis(ms)));
    let (quick, slow) = (after(2).await.expect("a scripted API"), after(8).await.expect("another"));
    let stage = Stage::new();
    let page = &stage.browser.session;
    let steps = || {
        keyboard::from_start_to_a_report(page, &quick.url(), &slow.url())?;
        if page.run("return !document.querySelector('[data-testid=report-view]')", &[])? == json!(true) {
            keyboard::press(page, &id("report-open"))?;
        }
        page.wait_for(&id("report-view"), SOON)
    };
    steps().unwrap_or_else(|error| panic!("by keyboard: {error}"));
}

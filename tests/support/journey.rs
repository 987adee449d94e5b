//! What a user does in the UI, told in their words; the same in the real window and in a browser.
use std::time::Duration;

use serde_json::{Value, json};

use super::webdriver::Session;

type Result<T = ()> = std::result::Result<T, String>;

/// Time for something that the UI does by itself.
const SOON: Duration = Duration::from_secs(10);

/// Selector of the element with this test id.
pub(crate) fn id(name: &str) -> String {
    format!("[data-testid=\"{name}\"]")
}

/// Waits for the overview with a live database band; the demo may have to be built first.
pub(crate) fn overview_is_live(page: &Session) -> Result {
    page.wait_for(&id("overview-lanes"), Duration::from_secs(90))?;
    page.wait_until(
        "a target that answers",
        Duration::from_secs(30),
        "return !!document.querySelector('[data-testid^=\"band-state-\"][data-state=\"ok\"]')",
        &[],
    )
    .map(drop)
}

/// Waits until the charts of these lanes have drawn something new.
pub(crate) fn charts_move(page: &Session, lanes: &[&str]) -> Result {
    let lanes: Vec<String> = lanes.iter().map(|lane| id(&format!("overview-lane-{lane}"))).collect();
    for lane in &lanes {
        page.wait_for(&format!("{lane} canvas"), SOON)?;
    }
    // They may be made anew meanwhile, as when the target's units come: all of them are looked at in one moment.
    page.wait_until(
        "every chart to be there",
        SOON,
        "const all = arguments[0].map(css => document.querySelector(css + ' canvas'));
         window.__before = all.map(c => c?.toDataURL());
         return all.every(Boolean)",
        &[json!(lanes)],
    )?;
    page.wait_until(
        "every chart to draw something new",
        SOON,
        "return arguments[0].every((css, i) => {
            const c = document.querySelector(css + ' canvas'); return c && c.toDataURL() !== window.__before[i] })",
        &[json!(lanes)],
    )
    .map(drop)
}

/// Waits until a tier's lanes are dimmed, or are not any more.
pub(crate) fn lanes_are_dimmed(page: &Session, lanes: &[&str], dimmed: bool, deadline: Duration) -> Result {
    let lanes: Vec<String> = lanes.iter().map(|lane| id(&format!("overview-lane-{lane}"))).collect();
    page.wait_until(
        if dimmed { "the stopped target's lanes to dim" } else { "the lanes to be bright" },
        deadline,
        "return arguments[0].every(css => {
            const lane = document.querySelector(css);
            return lane && lane.classList.contains('stale') === arguments[1] })",
        &[json!(lanes), json!(dimmed)],
    )
    .map(drop)
}

/// Opens a screen by its route.
pub(crate) fn open(page: &Session, route: &str) -> Result {
    page.run("location.hash = arguments[0]", &[json!(format!("#{route}"))]).map(drop)
}

/// Runs a benchmark from its form, watches it live, and waits for the stored run.
pub(crate) fn benchmark(page: &Session, url: &str, connections: &str, duration: &str) -> Result {
    page.wait_until(
        "the benchmark form or the button for a new one",
        SOON,
        "return !!document.querySelector(arguments[0]) || !!document.querySelector(arguments[1])",
        &[json!(id("bench-new")), json!(id("bench-form"))],
    )?;
    let form = page.run("return !!document.querySelector(arguments[0])", &[json!(id("bench-form"))])?;
    if form != json!(true) {
        page.click(&id("bench-new"))?;
    }
    page.fill(&id("bench-url"), url)?;
    page.fill(&id("bench-connections"), connections)?;
    page.fill(&id("bench-duration"), duration)?;
    page.fill(&id("bench-warmup"), "1s")?;
    page.click(&id("bench-start"))?;
    page.wait_for(&id("bench-live"), SOON)?;
    // Live progress: the count of requests is seen at two different values.
    let seen = page.wait_until(
        "live figures",
        SOON,
        "const n = (document.querySelector(arguments[0])?.innerText ?? '').replace(/\\D/g, ''); return Number(n) > 0 && n",
        &[json!(id("bench-live-requests"))],
    )?;
    page.wait_until(
        "live figures that grow",
        SOON,
        "const n = (document.querySelector(arguments[0])?.innerText ?? '').replace(/\\D/g, ''); return Number(n) > Number(arguments[1])",
        &[json!(id("bench-live-requests")), seen],
    )?;
    page.wait_until(
        "the end of the run",
        Duration::from_secs(60),
        "return !document.querySelector(arguments[0])",
        &[json!(id("bench-live"))],
    )
    .map(drop)
}

/// What Chromium asked the network for since the page was opened, apart from the page itself.
pub(crate) fn network_requests(page: &Session) -> Result<Vec<String>> {
    let mut urls = Vec::new();
    for entry in page.log("performance")? {
        let message: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default()).unwrap_or_default();
        let message = &message["message"];
        if message["method"] == "Network.requestWillBeSent" {
            let url = message["params"]["request"]["url"].as_str().unwrap_or_default();
            if url.starts_with("http") || url.starts_with("ws") || url.starts_with("ftp") {
                urls.push(url.to_owned());
            }
        }
    }
    Ok(urls)
}

/// Only the digits of a text: figures without their separators and units.
pub(crate) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

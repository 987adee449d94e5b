//! The window while load runs: its frames, and what it costs the run.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use perfdeck_model::RunSummary;
use serde::Deserialize;
use serde_json::{Value, json};

use super::load::{perfctl, target};
use super::{at_least, home, report};
use crate::desktop::{Desktop, Window};
use crate::run::binary;
use crate::{Outcome, start};

/// Rounds; each is a run from `perfctl` and one from the window.
const ROUNDS: usize = 5;
/// Measured time of each run.
const SECONDS: &str = "10s";

/// Gaps between frames over five seconds, in milliseconds, ascending.
pub(super) fn gaps(window: &Window) -> Outcome<Vec<f64>> {
    let script = "
        const done = arguments[arguments.length - 1];
        const gaps = []; let last = null; const end = performance.now() + 5000;
        const step = now => { if (last !== null) gaps.push(now - last); last = now;
            if (now < end) requestAnimationFrame(step); else done(gaps) };
        requestAnimationFrame(step)";
    let gaps = window.session.run_async(script)?;
    let mut gaps: Vec<f64> = gaps.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    gaps.sort_by(f64::total_cmp);
    Ok(gaps)
}

/// Selector of the element with this test id.
pub(super) fn id(name: &str) -> String {
    format!("[data-testid=\"{name}\"]")
}

/// One run from the window that shows it live, started in its form. Answers the frames per second during it where they are
/// counted: that makes the page draw each of them.
fn from_window(window: &Window, url: &str, count: bool) -> Outcome<Option<f64>> {
    let page = &window.session;
    page.run("location.hash = '#/benchmarks/new'", &[])?;
    page.wait_for(&id("bench-form"), Duration::from_secs(10))?;
    for (field, value) in
        [("bench-url", url), ("bench-connections", "32"), ("bench-duration", SECONDS), ("bench-warmup", "1s")]
    {
        page.fill(&id(field), value)?;
    }
    page.click(&id("bench-start"))?;
    page.wait_for(&id("bench-live"), Duration::from_secs(10))?;
    let frames = if count { Some(gaps(window)?.len()) } else { None };
    let ended = "return !document.querySelector(arguments[0])";
    page.wait_until("the end of the run", Duration::from_secs(60), ended, &[json!(id("bench-live"))])?;
    Ok(frames.map(|frames| frames as f64 / 5.0))
}

/// The answer of `perfctl run list`.
#[derive(Deserialize)]
pub(super) struct Runs {
    /// Newest first.
    pub(super) runs: Vec<RunSummary>,
}

/// Runs `perfctl` on the store of `data` and answers what it said.
pub(super) fn said(arguments: &[&str], data: &Path) -> Outcome<Vec<u8>> {
    let mut command = Command::new(binary("perfctl", true));
    command.args(arguments);
    start::set(&mut command, "PERFDECK_DATA_DIR", data);
    start::without_bus(&mut command);
    let output = command.output().map_err(|error| format!("perfctl did not start: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("perfctl {} ended with {}: {errors}", arguments.join(" "), output.status).into());
    }
    Ok(output.stdout)
}

/// The answer of a command of `perfctl`, by its type.
pub(super) fn answer<T: serde::de::DeserializeOwned>(arguments: &[&str], data: &Path) -> Outcome<T> {
    let said = said(arguments, data)?;
    Ok(serde_json::from_slice(&said).map_err(|error| format!("perfctl {}: {error}", arguments.join(" ")))?)
}

/// Rate of the newest run in the store of `data`.
fn newest_rate(data: &Path) -> Outcome<f64> {
    let Runs { runs } = answer(&["run", "list", "--json"], data)?;
    Ok(runs.first().ok_or("the window's run is not in the store")?.rate_per_s)
}

/// The raw engine as fast as it goes, from the window and from `perfctl` without a window.
pub(super) fn under_load() -> Outcome {
    let home = home("window-load")?;
    let url = format!("http://127.0.0.1:{}/", target()?);
    let desktop = Desktop::start(1440, 900, &home)?;
    println!("Closed loop, 32 connections, {SECONDS} each, alternating, the window at 1440 x 900 under Xvfb:");
    let (mut alone, mut shown, mut ratios, mut frames) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let own = perfctl(&["http", &url, "-c", "32", "-d", SECONDS, "--warmup", "1s"], &home)?.rate_per_s;
        let window = desktop.window(&binary("perfdeck", true), &[])?;
        window.session.wait_for(&id("start"), Duration::from_secs(60))?;
        from_window(&window, &url, false)?;
        let rate = newest_rate(&desktop.data())?;
        frames.extend(from_window(&window, &url, true)?);
        alone.push(own);
        shown.push(rate);
        ratios.push(rate / own);
    }
    report("rate from perfctl", "/s", &mut alone, None);
    report("rate from the window", "/s", &mut shown, None);
    at_least("rate, the window to perfctl", "x", &mut ratios, 0.97);
    at_least("frames of the live view during the run", "/s", &mut frames, 30.0);
    Ok(())
}

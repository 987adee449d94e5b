//! The window while load runs: its frames, and what it costs the run.
use std::time::Duration;

use serde_json::{Value, json};

use super::load::{perfctl, target};
use super::{at_least, home, report};
use crate::Outcome;
use crate::desktop::{Desktop, Window};
use crate::run::binary;

/// Rounds; each is a run from `perfctl` and one from the window.
const ROUNDS: usize = 5;
/// Measured time of each run, in seconds.
const SECONDS: f64 = 10.0;

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

/// Calls a command of the registry as the page does.
fn rpc(window: &Window, name: &str, params: &Value) -> Outcome<Value> {
    let script = format!(
        "const done = arguments[arguments.length - 1];
         window.__TAURI_INTERNALS__.invoke('rpc', {{ name: {}, params: {params} }})
             .then(value => done({{ value }}), error => done({{ error: JSON.stringify(error) }}))",
        json!(name)
    );
    let mut answer = window.session.run_async(&script)?;
    match answer["error"].as_str() {
        Some(error) => Err(format!("{name}: {error}").into()),
        None => Ok(answer["value"].take()),
    }
}

/// One run from the window that shows it live: its rate, or frames per second during it. Not both: counting frames makes
/// the page draw each of them.
fn from_window(window: &Window, url: &str, count: bool) -> Outcome<f64> {
    let spec = json!({"kind": "http", "url": url, "load": {"kind": "closed"}, "connections": 32,
                      "duration_s": SECONDS, "warmup_s": 1.0});
    let job = rpc(window, "bench.start", &json!({ "spec": spec }))?;
    window.session.run("location.hash = '#/benchmarks/live'", &[])?;
    window.session.wait_for("[data-testid=bench-live]", Duration::from_secs(10))?;
    let frames = if count { gaps(window)?.len() } else { 0 };
    let ended = "return !document.querySelector('[data-testid=bench-live]')";
    window.session.wait_until("the end of the run", Duration::from_secs(60), ended, &[])?;
    let job = rpc(window, "job.get", &json!({ "id": job["id"] }))?;
    let run = rpc(window, "run.get", &json!({ "id": job["result"] }))?;
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    if count {
        return Ok(frames as f64 / 5.0);
    }
    Ok(run["rate_per_s"].as_f64().ok_or("the window's run has no rate_per_s")?)
}

/// The raw engine as fast as it goes, from the window and from `perfctl` without a window.
pub(super) fn under_load() -> Outcome {
    let home = home("window-load")?;
    let url = format!("http://127.0.0.1:{}/", target()?);
    let desktop = Desktop::start(1440, 900, &home)?;
    println!("Closed loop, 32 connections, {SECONDS} s each, alternating, the window at 1440 x 900 under Xvfb:");
    let (mut alone, mut shown, mut ratios, mut frames) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let run = perfctl(&["http", &url, "-c", "32", "-d", "10s", "--warmup", "1s"], &home)?;
        let own = run["rate_per_s"].as_f64().ok_or("perfctl's run has no rate_per_s")?;
        let window = desktop.window(&binary("perfdeck", true), &[], &[])?;
        window.session.wait_for("[data-testid=start]", Duration::from_secs(60))?;
        let rate = from_window(&window, &url, false)?;
        frames.push(from_window(&window, &url, true)?);
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

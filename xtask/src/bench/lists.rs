//! Long lists in the window: 1,000 runs and 100 environments with long names of several scripts, how fast they open and
//! whether they are drawn in time while they are scrolled.
use std::path::Path;
use std::time::Duration;

use perfdeck_model::EnvironmentSummary;
use serde::Deserialize;
use serde_json::json;

use super::frames::{Runs, answer, id, said};
use super::{RUNS, at_least, home, report};
use crate::Outcome;
use crate::desktop::{Desktop, Window};
use crate::run::binary;

const MANY_RUNS: usize = 1_000;
const MANY_ENVIRONMENTS: usize = 100;
/// Longest time from the press to the drawn rows, in milliseconds.
const OPEN_MS: f64 = 300.0;
const FRAMES_PER_S: f64 = 60.0;
/// Characters of a name.
const LONG: usize = 200;
const SCRIPTS: [&str; 5] = ["patients", "пациенты", "患者の一覧", "المرضى", "ασθενείς"];

/// The answer of `perfctl env list`.
#[derive(Deserialize)]
struct Environments {
    environments: Vec<EnvironmentSummary>,
}

fn name(at: usize, length: usize) -> String {
    let word = SCRIPTS[at % SCRIPTS.len()];
    let long: String = format!("{word} ").repeat(LONG).chars().take(length - 5).collect();
    format!("{} {at:04}", long.trim_end())
}

/// Fills the store with runs of another tool, which take no time, and with environments whose targets are not there.
fn fill(home: &Path, data: &Path) -> Outcome {
    let file = home.join("run.csv");
    let mut csv = "metric_name,timestamp,metric_value,error,name,status,extra_tags\n".to_owned();
    for i in 0..200 {
        for (metric, value) in [("http_reqs", 1.0), ("http_req_duration", 12.5), ("http_req_failed", 0.0)] {
            csv += &format!("{metric},17000000{:02},{value},,GET /patients,200,\n", i / 20);
        }
    }
    std::fs::write(&file, csv).map_err(|error| format!("{}: {error}", file.display()))?;
    let file = file.display().to_string();
    for at in answer::<Environments>(&["env", "list", "--json"], data)?.environments.len()..MANY_ENVIRONMENTS {
        said(&["env", "add", &name(at, 64), "--api", "http://127.0.0.1:9/"], data)?;
    }
    for at in answer::<Runs>(&["run", "list", "--json"], data)?.runs.len()..MANY_RUNS {
        said(&["bench", "import", "k6", &file, "--name", &name(at, LONG)], data)?;
    }
    Ok(())
}

/// Milliseconds from a press to the frame after the one in which the rows were there.
fn opened(window: &Window, from: &str, press: &str, rows: &str) -> Outcome<f64> {
    window.session.run(&format!("location.hash = '{from}'"), &[])?;
    let gone = "return document.querySelectorAll(arguments[0]).length === 0";
    window.session.wait_until("the screen before", Duration::from_secs(10), gone, &[json!(rows)])?;
    let script = format!(
        "const [press, rows, done] = arguments;
        const began = performance.now();
        {press}
        const look = () => document.querySelectorAll(rows).length > 5
            ? requestAnimationFrame(() => done(performance.now() - began)) : requestAnimationFrame(look);
        requestAnimationFrame(look);"
    );
    let ms = window.session.run_async_with(&script, &[json!(press), json!(rows)])?;
    ms.as_f64().ok_or_else(|| "the window measured nothing".into())
}

/// Frames per second while the list is scrolled for three seconds, as fast as a wheel does; `empty` scrolls a box without
/// anything in it in its place, which is what the window and the machine can do at most.
fn scrolled(window: &Window, row: &str, empty: bool) -> Outcome<f64> {
    let script = "
        const [row, empty, done] = arguments;
        let box = document.querySelector(row);
        while (box && box.scrollHeight <= box.clientHeight + 100) box = box.parentElement;
        if (!box) { done(null); return; }
        const most = box.scrollHeight - box.clientHeight;
        if (empty) {
            const { x, y, width, height } = box.getBoundingClientRect();
            const over = document.createElement('div');
            over.style.cssText = `position:fixed; left:${x}px; top:${y}px; width:${width}px; height:${height}px;
                overflow:auto; contain:strict; z-index:99; background:#123`;
            over.append(document.createElement('div'));
            over.firstChild.style.height = `${box.scrollHeight}px`;
            document.body.append(over);
            box = over;
        }
        let frames = 0, at = 0; const began = performance.now();
        const step = () => {
            // The page is not asked where it is: that would have it laid out once more.
            at = (at + 60) % most;
            box.scrollTop = at;
            frames += 1;
            const passed = performance.now() - began;
            if (passed < 3000) { requestAnimationFrame(step); return; }
            if (empty) box.remove();
            done(frames / passed * 1000);
        };
        requestAnimationFrame(step);";
    let frames = window.session.run_async_with(script, &[json!(row), json!(empty)])?;
    frames.as_f64().ok_or_else(|| "nothing can be scrolled".into())
}

pub(super) fn long() -> Outcome {
    let home = home("lists")?;
    let desktop = Desktop::start(1440, 900, &home)?;
    fill(&home, &desktop.data())?;
    let window = desktop.window(&binary("perfdeck", true), &[])?;
    window.session.wait_for(&id("start"), Duration::from_secs(60))?;
    println!(
        "The window at 1440 x 900 under Xvfb, {MANY_RUNS} runs and {MANY_ENVIRONMENTS} environments, names of {LONG} and 64 \
         characters in {} scripts:",
        SCRIPTS.len()
    );
    let (mut runs, mut environments, mut frames, mut most) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (run, environment) = (id("run-row"), id("env-choose"));
    for _ in 0..RUNS {
        runs.push(opened(&window, "#/settings", "location.hash = '#/benchmarks';", &run)?);
        frames.push(scrolled(&window, &run, false)?);
        most.push(scrolled(&window, &run, true)?);
        let press = format!("document.querySelector('{}').click();", id("env-block"));
        environments.push(opened(&window, "#/settings", &press, &environment)?);
        window.session.keys("\u{e00c}")?;
    }
    report("runs: from the press to the rows", "ms", &mut runs, Some(OPEN_MS));
    report("environments: from the press to the rows", "ms", &mut environments, Some(OPEN_MS));
    report("frames while an empty box of that size is scrolled", "/s", &mut most, None);
    at_least("frames while the runs are scrolled", "/s", &mut frames, FRAMES_PER_S);
    Ok(())
}

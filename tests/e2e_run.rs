//! `cargo xtask run` as the README has it, to its end: without a display, and with one.
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use perfdeck_lib::platform::SETTINGS;
use support::desktop::{Browser, Desktop};
use support::perfctl::to_end;
use support::{can_run, journey, release, report, root, start};

const SCREEN: &[&str] = &["Xvfb", "dbus-daemon", "WebKitWebDriver"];

/// Labels of a lane that lie over each other, and what is wider than the page.
const MISPLACED: &str = r"
    const wrong = [];
    const page = document.documentElement;
    if (page.scrollWidth > page.clientWidth) wrong.push(`the page is ${page.scrollWidth} px wide, of ${page.clientWidth}`);
    for (const lane of document.querySelectorAll('.lane')) {
        const words = [...lane.querySelectorAll('.who b, .who span, .axis i, .plot > i:not(.gap), .read span, .read b, .read em')]
            .filter((e) => e.textContent.trim() !== '')
            .map((e) => ({ text: e.textContent, at: e.getBoundingClientRect() }));
        words.forEach((a, i) => words.slice(i + 1).forEach((b) => {
            const across = Math.min(a.at.right, b.at.right) - Math.max(a.at.left, b.at.left);
            const down = Math.min(a.at.bottom, b.at.bottom) - Math.max(a.at.top, b.at.top);
            if (across > 1 && down > 3) wrong.push(`'${a.text}' lies over '${b.text}'`);
        }));
    }
    return wrong;
";

/// As it was measured.
const MEASURED: &str = "";

/// With an axis whose values are as long as they get, which a measurement has only by chance.
const LONG: &str = r"
    for (const label of document.querySelectorAll('.axis i:last-child')) label.textContent = '16\u202fmin\u202f40\u202fs';
";

/// A report fits a wide and a narrow page, and its words do not lie over each other.
fn fits(html: &Path, home: &Path) {
    for width in [1440, 700] {
        let browser = Browser::start(width, 900, home).expect("a headless Chromium");
        browser.session.goto(&format!("file://{}", html.display())).expect("the report opens");
        for step in [MEASURED, LONG] {
            let wrong = browser.session.run(&format!("{step}{MISPLACED}"), &[]).expect("its boxes can be read");
            assert_eq!(wrong, serde_json::json!([]), "at {width} px");
        }
    }
}

#[test]
fn e2e_run_without_a_display_and_a_terminal_ends_with_a_report() {
    if !can_run(&["node", "npm", "chromedriver"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let html = root().join("target/perfdeck-demo-report.html");
    for file in [html.clone(), html.with_extension("json")] {
        let _ = std::fs::remove_file(file);
    }
    // What it would build is built already, so that the time is the tour's.
    release::folder();
    let mut run = start::cargo();
    run.args(["xtask", "run"]).current_dir(root()).stdin(Stdio::null());
    start::without_screen(&mut run);
    start::without_bus(&mut run);
    start::set(&mut run, "PERFDECK_DATA_DIR", &data);
    let output = to_end(run, Duration::from_secs(300));
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "it ends with {}:\n{said}\n{errors}", output.status);

    let head = said.lines().position(|line| line.contains("API req/s")).expect("a head over the live figures");
    let live: Vec<&str> = said.lines().skip(head + 1).take(10).collect();
    let figures = |line: &str| line.split_whitespace().filter(|cell| cell.parse::<f64>().is_ok()).count();
    assert!(figures(live[0]) >= 4, "it begins with figures: {live:?}");
    // A busy machine may leave a gap.
    assert!(live.iter().filter(|line| figures(line) >= 4).count() >= 8, "ten lines of live figures: {live:?}");
    assert!(said.contains(&html.display().to_string()), "it says where the report is:\n{said}");
    let measured = report::of_newest_run(&html, &data);
    assert!(said.contains(&format!("{} answered", measured["requests"])), "the terminal has the same figures:\n{said}");
    fits(&html, folder.path());
}

#[test]
fn e2e_run_with_a_display_opens_a_window_with_live_samples() {
    if !can_run(SCREEN) {
        return;
    }
    release::folder();
    let folder = tempfile::tempdir().expect("a folder");
    let desktop = Desktop::start(1440, 900, folder.path()).expect("a virtual desktop");
    let cargo = start::cargo().get_program().to_owned();
    let window = desktop.window(&PathBuf::from(cargo), &["xtask", "run"]).unwrap_or_else(|error| panic!("{error}"));
    let page = &window.session;
    journey::overview_is_live(page).unwrap_or_else(|error| panic!("the demo's overview: {error}"));
    journey::charts_move(page, &["cpu", "network"]).unwrap_or_else(|error| panic!("its charts: {error}"));
}

/// Variables of a process.
fn variables(pid: u32) -> BTreeSet<(String, String)> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).expect("the window runs");
    let text = String::from_utf8_lossy(&bytes);
    text.split('\0').filter_map(|pair| pair.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

#[test]
fn e2e_the_window_of_the_tests_is_the_one_of_users() {
    if !can_run(SCREEN) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let desktop = Desktop::start(1440, 900, folder.path()).expect("a virtual desktop");
    let window = desktop.window(&release::perfdeck(), &[]).unwrap_or_else(|error| panic!("{error}"));
    window.session.wait_for(&journey::id("start"), Duration::from_secs(60)).unwrap_or_else(|error| panic!("{error}"));
    let pid = window.app_pid().unwrap_or_else(|error| panic!("{error}"));

    let own: BTreeSet<(String, String)> = std::env::vars().collect();
    for (name, value) in variables(pid).difference(&own) {
        let name = name.as_str();
        let by_product = SETTINGS.iter().any(|(of, set)| *of == name && set == value);
        assert!(
            by_product || start::MAY_SET.contains(&name) || start::SET_BY_THE_DRIVER.contains(&name),
            "{name}={value} is set for the window of the tests; users start it without"
        );
    }
    let set = variables(pid);
    for (name, _) in SETTINGS {
        assert!(set.iter().any(|(of, _)| of == name), "{name} reached the window");
    }

    // A setting that nobody reads is a misspelt one.
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("what the window has loaded");
    let loaded: BTreeSet<&str> = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..])).collect();
    let program = release::perfdeck();
    let mut unread: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
    for library in loaded.into_iter().filter(|file| file.contains(".so") && !program.ends_with(file)) {
        let bytes = std::fs::read(library).unwrap_or_default();
        unread.retain(|name| !perfdeck_testkit::holds(&bytes, name));
    }
    assert!(unread.is_empty(), "no library of the window knows {unread:?}");
}

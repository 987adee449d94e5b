//! `cargo xtask test`: every check there is, one step after the other, with one count at the end.
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::process::{cargo, run, tee};
use crate::run::{PROGRAMS, build};
use crate::setup::{self, Need};
use crate::{Failure, Options, Outcome, root, ui};

/// Tests with this prefix need a browser or a window and run in steps of their own.
const E2E: &str = "e2e_";
/// Programs whose tests wait for servers more than they work, each a crate's: more of them run at the same time than there are processors.
/// What measures has a program of its own.
const WAITING: [&str; 5] = ["cache", "cli", "database", "engine", "load"];
/// Tests of those that run at the same time, beyond one for each processor.
const BEYOND: usize = 1;

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    lines: Vec<String>,
    said: Vec<String>,
}

impl Tally {
    /// Runs one step under a heading. A failed step that counted no failed test counts as one.
    fn step(&mut self, name: &str, work: impl FnOnce() -> Outcome<Counted>) {
        println!("\n━━━ {name}");
        let began = Instant::now();
        let counted = work().unwrap_or_else(|failure| {
            eprintln!("error: {}", failure.message);
            Counted::step(false)
        });
        let failed = if counted.ok { counted.failed } else { counted.failed.max(1) };
        self.passed += counted.passed;
        self.failed += failed;
        let mark = if failed == 0 { "ok    " } else { "FAILED" };
        let figures = match (counted.passed, failed) {
            (0, 0) => String::new(),
            (passed, failed) => format!("  {passed} passed, {failed} failed"),
        };
        let line = format!("{mark} {:>7}  {name}{figures}", time(began.elapsed()));
        println!("━━━ {line}");
        self.lines.push(line);
        self.said.extend(counted.said);
    }
}

/// What a step found.
struct Counted {
    ok: bool,
    passed: u64,
    failed: u64,
    /// What the tests that failed said.
    said: Vec<String>,
}

impl Counted {
    /// A step that is one command without tests of its own.
    fn step(ok: bool) -> Self {
        Self { ok, passed: 0, failed: 0, said: Vec::new() }
    }
}

fn time(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    if seconds < 60 {
        format!("{:.1} s", elapsed.as_secs_f64())
    } else {
        format!("{} m {:02} s", seconds / 60, seconds % 60)
    }
}

/// A step that is one command without tests of its own.
fn check(mut command: Command) -> Outcome<Counted> {
    run(&mut command)?;
    Ok(Counted::step(true))
}

/// Installs what the tests need and runs all of them.
pub(crate) fn test(options: &Options) -> Outcome {
    let began = Instant::now();
    setup::packages(&[Need::Build, Need::Window, Need::Tests], options)?;
    setup::node()?;
    setup::rust_components(options)?;
    let mut tally = Tally::default();
    if let Some(filter) = options.rest.first() {
        tally.step("front end: build", || ui::build().map(|()| Counted::step(true)));
        tally.step(&format!("Rust tests matching '{filter}'"), || rust(&[filter]));
        return finish(&tally, began);
    }
    tally.step("Rust: format", || check(cargo_with(&["fmt", "--all", "--check"])));
    tally.step("front end: packages", || ui::install().map(|()| Counted::step(true)));
    for script in ["check", "lint"] {
        if ui::has_script(script) {
            tally.step(&format!("front end: {script}"), || {
                let mut npm = ui::npm();
                npm.args(["run", script]);
                check(npm)
            });
        }
    }
    tally.step("front end: unit tests", vitest);
    // The app and the server embed the build, so it comes before everything that compiles them.
    // Stamped, so that `cargo xtask run` and `bundle` in the tests find it built and nothing is compiled again.
    tally.step("front end: build and size budget", || ui::build().map(|()| Counted::step(true)));
    tally
        .step("Rust: lints", || check(cargo_with(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])));
    tally.step("Rust: build", || check(cargo_with(&["test", "--workspace", "--no-run"])));
    // Built once: the tests of commands, windows, browsers and packages all start these programs.
    tally.step("Rust: release", || build(PROGRAMS, true).map(|()| Counted::step(true)));
    tally.step("Rust: tests that measure, and those of one function", alone);
    tally.step("Rust: tests that wait for servers", waiting);
    tally.step("Rust: examples in the documentation", || counted(cargo_with(&["test", "--workspace", "--doc"])));
    tally.step("the README's first command, without a display and with one", || e2e("e2e_run"));
    tally.step("UI in a browser", || e2e("e2e_browser"));
    tally.step("UI in the real window", || e2e("e2e_window"));
    tally.step("the package in a clean root", || e2e("e2e_package"));
    finish(&tally, began)
}

fn finish(tally: &Tally, began: Instant) -> Outcome {
    println!("\n━━━ all steps, {}", time(began.elapsed()));
    for line in &tally.lines {
        println!("{line}");
    }
    // Again at the end: a log of thousands of lines is read from there.
    for said in &tally.said {
        println!("\n{said}");
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 { Ok(()) } else { Err(Failure::new("")) }
}

fn cargo_with(arguments: &[&str]) -> Command {
    let mut command = cargo();
    command.args(arguments);
    command
}

/// Every Rust test of the workspace. The packages are always named the same way, by `--workspace`: naming one would
/// select other features of shared dependencies and build them again.
fn rust(arguments: &[&str]) -> Outcome<Counted> {
    let mut command = cargo_with(&["test", "--workspace", "--no-fail-fast", "--"]);
    command.args(arguments);
    counted(command)
}

/// Those of [`WAITING`].
fn waiting() -> Outcome<Counted> {
    let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut command = cargo_with(&["test", "--workspace", "--no-fail-fast"]);
    command.args(WAITING.iter().flat_map(|program| ["--test", program]));
    command.args(["--", &format!("--test-threads={}", processors + BEYOND)]);
    counted(command)
}

/// All others, but for those with a window or a browser.
fn alone() -> Outcome<Counted> {
    let mut command = cargo_with(&["test", "--workspace", "--no-fail-fast", "--lib", "--bins"]);
    for program in programs()?.iter().filter(|name| !name.starts_with(E2E) && !WAITING.contains(&name.as_str())) {
        command.args(["--test", program]);
    }
    command.args(["--", "--skip", E2E]);
    counted(command)
}

/// What cargo tells of the workspace, as far as it is used here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Every program of tests in the workspace.
fn programs() -> Outcome<Vec<String>> {
    let out = cargo_with(&["metadata", "--no-deps", "--format-version", "1"]).output();
    let out = out.map_err(|e| Failure::new(format!("cargo metadata: {e}")))?;
    let read: Metadata =
        serde_json::from_slice(&out.stdout).map_err(|e| Failure::new(format!("cargo metadata: {e}")))?;
    let targets = read.packages.into_iter().flat_map(|package| package.targets);
    Ok(targets.filter(|target| target.kind.iter().any(|kind| kind == "test")).map(|target| target.name).collect())
}

fn e2e(name: &str) -> Outcome<Counted> {
    // One at a time: each drives a window and measures what happens in it.
    counted(cargo_with(&["test", "--workspace", "--test", name, "--", "--test-threads=1", "--nocapture"]))
}

fn counted(mut command: Command) -> Outcome<Counted> {
    // Tells the end-to-end tests that a missing browser or display is a failure, not a reason to skip.
    command.env("PERFDECK_E2E", "1").env("CARGO_TERM_COLOR", color());
    let (ok, text) = tee(&mut command)?;
    let (passed, failed) = count(&text);
    Ok(Counted { ok, passed, failed, said: panics(&text) })
}

/// Longest part of a panic's message that is told again, in lines and in characters of a line.
const TOLD: (usize, usize) = (12, 400);

/// What tests said as they panicked, without the stack.
fn panics(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !(line.starts_with("thread '") && line.contains(" panicked at ")) {
            continue;
        }
        let message = lines.by_ref().take_while(|l| *l != "stack backtrace:" && !l.is_empty()).take(TOLD.0);
        let told: Vec<String> =
            std::iter::once(line).chain(message).map(|l| l.chars().take(TOLD.1).collect::<String>()).collect();
        all.push(told.join("\n"));
    }
    all
}

fn color() -> &'static str {
    use std::io::IsTerminal;
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() { "always" } else { "never" }
}

/// Adds up the `test result:` lines of every test binary.
fn count(text: &str) -> (u64, u64) {
    let (mut passed, mut failed) = (0, 0);
    for line in text.lines() {
        // With colours on, the word after the colon is wrapped in escapes; the figures are not.
        let Some((_, rest)) = line.split_once("test result: ") else { continue };
        for part in rest.split(['.', ';']) {
            let mut words = part.split_whitespace();
            if let (Some(Ok(n)), Some(word)) = (words.next().map(str::parse::<u64>), words.next()) {
                match word {
                    "passed" => passed += n,
                    "failed" => failed += n,
                    _ => {}
                }
            }
        }
    }
    (passed, failed)
}

/// What vitest writes, as far as it is used here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vitest {
    num_passed_tests: u64,
    num_failed_tests: u64,
}

fn vitest() -> Outcome<Counted> {
    let file = root().join("target/vitest.json");
    let _ = std::fs::create_dir_all(root().join("target"));
    let _ = std::fs::remove_file(&file);
    let mut command = ui::npm();
    command.args(["exec", "--", "vitest", "run", "--reporter=default", "--reporter=json"]);
    command.arg(format!("--outputFile.json={}", file.display()));
    let (ok, _) = tee(&mut command)?;
    let text =
        std::fs::read_to_string(&file).map_err(|error| format!("vitest wrote no {}: {error}", file.display()))?;
    let result: Vitest = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Counted { ok, passed: result.num_passed_tests, failed: result.num_failed_tests, said: Vec::new() })
}

/// Drives the real window through every screen, light and dark, into `docs/screenshots/`.
pub(crate) fn screenshots(options: &Options) -> Outcome {
    setup::packages(&[Need::Build, Need::Window, Need::Tests], options)?;
    setup::node()?;
    ui::build()?;
    let mut command = cargo_with(&["test", "--workspace", "--test", "e2e_window", "--"]);
    command.args(["--nocapture", "--test-threads=1", "e2e_every_screen"]);
    command.env("PERFDECK_SCREENSHOTS", root().join("docs/screenshots")).env("PERFDECK_E2E", "1");
    run(&mut command)
}

/// Writes the TypeScript types of the commands.
pub(crate) fn bindings() -> Outcome {
    run(cargo_with(&["test", "-p", "perfdeck-engine", "bindings"]).env("PERFDECK_UPDATE_BINDINGS", "1"))
}

#[cfg(test)]
mod tests {
    use super::{E2E, WAITING, count, panics, programs};

    #[test]
    fn results_of_all_binaries_are_added() {
        let text = "running 2 tests\n\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 5 filtered out\n\
                    test result: FAILED. 10 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s\n";
        assert_eq!(count(text), (12, 3), "ignored and filtered tests are neither passed nor failed");
    }

    #[test]
    fn what_failed_tests_said_is_kept_without_the_stack() {
        let text = "test a ... ok\n\nthread 'b' (7) panicked at tests/b.rs:1:1:\nassertion failed: it\n  left: 1\n\
                    stack backtrace:\n   0: main\n\nthread 'c' (8) panicked at tests/c.rs:2:2:\nno\n\ntest d ... ok\n";
        assert_eq!(
            panics(text),
            [
                "thread 'b' (7) panicked at tests/b.rs:1:1:\nassertion failed: it\n  left: 1",
                "thread 'c' (8) panicked at tests/c.rs:2:2:\nno"
            ]
        );
    }

    #[test]
    fn every_program_of_tests_is_in_one_step() {
        let all = programs().unwrap_or_else(|failure| panic!("{}", failure.message));
        for name in WAITING {
            assert_eq!(all.iter().filter(|program| *program == name).count(), 1, "{name} is one program of {all:?}");
        }
        let alone = all.iter().filter(|name| !name.starts_with(E2E) && !WAITING.contains(&name.as_str()));
        assert!(alone.count() > 10 && all.iter().any(|name| name == "e2e_window"), "the others are there: {all:?}");
    }

    #[test]
    fn a_coloured_result_counts_too() {
        let text = "test result: \u{1b}[32mok\u{1b}[0m. 7 passed; 1 failed; 0 ignored\n";
        assert_eq!(count(text), (7, 1), "colour escapes must not hide the figures");
    }
}

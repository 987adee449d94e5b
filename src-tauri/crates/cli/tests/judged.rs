//! What `perfctl` says of runs in which requests fail, are given up, or are too few: its text, its JSON and its exit code.
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use perfdeck_testkit::{Answer, ScriptedHttp, eventually_blocking, output_of};
use serde_json::Value;

/// Longest time any command of these tests may take.
const DEADLINE: Duration = Duration::from_secs(90);

fn perfctl(dir: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perfctl"));
    command.args(args).env_clear().env("PERFDECK_DATA_DIR", dir).env("HOME", dir).stdin(Stdio::null());
    // What the loader and the system need to start a program at all.
    for name in ["PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("perfctl starts")
}

fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = output_of(perfctl(dir, args), DEADLINE);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A command with `--json`: its exit code and its answer.
fn json(dir: &Path, args: &[&str]) -> (i32, Value) {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let (code, out, err) = run(dir, &args);
    (code, serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?} writes JSON: {e}: {out} {err}")))
}

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("temp dir")
}

/// A port on which nobody listens.
fn nobody() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    format!("http://127.0.0.1:{port}/")
}

/// A plan of one GET with these lines before its step.
fn plan(dir: &Path, url: &str, lines: &str) -> String {
    let path = dir.join("plan.toml");
    let text = format!("name = 'p'\nbase_url = '{url}'\n{lines}\n[[steps]]\nname = 's'\nkind = 'http'\npath = '/'\n");
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

const CLOSED: &str = "[load]\nkind = 'closed'\nconnections = 16";
const OPEN: &str = "[load]\nkind = 'open'\nrate_per_s = 400\nmax_in_flight = 128";

/// Every fifth answer comes after two seconds; the plan waits 300 ms.
#[test]
fn a_threshold_on_latency_counts_what_timed_out() {
    let target = ScriptedHttp::start_now(|r| {
        if r.number % 5 == 4 { Answer::ok("late").after(Duration::from_secs(2)) } else { Answer::ok("ok") }
    })
    .expect("target");
    for load in [CLOSED, OPEN] {
        let dir = temp();
        let lines = format!("timeout = '300ms'\nduration = '3s'\nthresholds = ['p99 < 200ms', 'p50 < 200ms']\n{load}");
        let file = plan(dir.path(), &target.url(), &lines);
        let (code, found) = json(dir.path(), &["bench", "run", &file]);
        // On a busy machine the schedule may not be held; then nothing is said of it.
        let expected = if found["valid"] == true { 3 } else { 4 };
        assert_eq!(code, expected, "a threshold that fails: {}", found["thresholds"]);
        let (p99, p50) = (&found["thresholds"][0], &found["thresholds"][1]);
        assert_eq!(
            (&p99["ok"], &p99["unjudged"], &p99["at_least"]),
            (&false.into(), &false.into(), &true.into()),
            "{p99}"
        );
        assert!(p99["actual"].as_f64().is_some_and(|ms| ms >= 300.0), "at least the timeout: {p99}");
        assert!(p99["note"].as_str().is_some_and(|n| n.contains("timed out")), "and says so: {p99}");
        assert_eq!(p50["ok"], true, "four of five are fast: {p50}");
        let all = &found["judged_ms"];
        for name in ["p90", "p95", "p99", "p999", "max"] {
            assert!(all[name]["ms"].as_f64().is_some_and(|ms| ms >= 300.0), "{name} is at least 300 ms: {all}");
            assert_eq!(all[name]["at_least"], true, "{name}: {all}");
        }
        assert!(found["response_ms"]["p99"].as_f64().is_some_and(|ms| ms < 300.0), "reported are the answered ones");
        assert_eq!(all["n"], found["requests"], "all are judged: {all}");
        let (code, text, err) = run(dir.path(), &["run", "show", found["id"].as_str().expect("an id")]);
        assert_eq!(code, 0, "{err}");
        assert!(text.contains("with failures") && text.contains(">= 30"), "people see it: {text}");
        assert!(text.contains("FAILS") && text.contains("timed out"), "{text}");
    }
}

#[test]
fn a_refused_port_has_no_percentile_and_nothing_answered() {
    let (dir, url) = (temp(), nobody());
    for load in [&[][..], &["--rate", "400"]] {
        let args = [&["bench", "http", &url, "-c", "4", "-d", "600ms", "--warmup", "0s"][..], load].concat();
        let (code, found) = json(dir.path(), &args);
        // Nothing succeeded from the first try on: an error, and no figures that do not hold.
        assert_eq!((code, &found["valid"]), (1, &false.into()), "no result: {}", found["invalid_reasons"]);
        let reason = found["invalid_reasons"][0].as_str().expect("a reason");
        assert!(reason.contains("refused"), "with its cause: {reason}");
        for times in ["response_ms", "service_ms"] {
            for name in ["min", "mean", "p50", "p90", "p95", "p99", "p999", "max"] {
                assert!(found[times][name].is_null(), "{times}.{name} is not known, not zero: {}", found[times]);
            }
        }
        assert!(found["judged_ms"]["p50"]["ms"].is_null(), "what failed has no time: {}", found["judged_ms"]);
        let lag = &found["schedule_lag_ms"];
        assert!(if load.is_empty() { lag.is_null() } else { lag["p99"].is_null() }, "nothing was sent late: {lag}");
        let classes: Vec<&str> =
            found["errors_by_class"].as_array().expect("a list").iter().filter_map(|e| e["class"].as_str()).collect();
        assert!(classes.iter().all(|c| ["connect", "shed"].contains(c)), "{classes:?}");
        let (_, text, _) = run(dir.path(), &["run", "show", found["id"].as_str().expect("an id")]);
        assert!(text.contains("0 answered of ") && text.contains('–') && !text.contains("0 ms"), "{text}");
    }
    let (_, listed) = json(dir.path(), &["run", "list"]);
    assert!(listed["runs"][0]["p99_ms"].is_null(), "also in the list: {}", listed["runs"][0]);
    let (_, text, _) = run(dir.path(), &["run", "list"]);
    assert!(!text.contains("0 ms"), "{text}");
}

#[test]
fn a_knee_of_what_cannot_be_reached_ends_at_once_with_the_reason() {
    let dir = temp();
    let started = Instant::now();
    let steps = ["--slo", "p99<50ms", "--max", "4", "--step", "500ms", "--confirm-for", "500ms", "--warmup", "0s"];
    let (code, text, err) = run(dir.path(), &[["bench", "knee", &nobody()].as_slice(), &steps].concat());
    assert!(code == 4 && text.contains("Invalid: no successful response") && text.contains("refused"), "{text} {err}");
    let (_, listed) = json(dir.path(), &["run", "list"]);
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(1), "one step shows it: {:?}", started.elapsed());
}

#[cfg(unix)]
#[test]
fn a_generator_that_stood_still_is_not_the_target() {
    let target = ScriptedHttp::start_now(|_| Answer::ok("ok").after(Duration::from_millis(10))).expect("target");
    let dir = temp();
    let child =
        perfctl(dir.path(), &["bench", "http", &target.url(), "-c", "4", "-d", "2s", "--warmup", "0s", "--json"]);
    let signal = |name: &str| {
        let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().expect("kill");
        assert!(sent.success(), "the signal is sent to our own child");
    };
    // A quarter of its requests, and the ceiling before them is no part of it.
    eventually_blocking(DEADLINE, || target.requests() >= 150);
    signal("STOP");
    let stopped = Instant::now();
    while stopped.elapsed() < Duration::from_millis(600) {
        std::thread::sleep(Duration::from_millis(10));
    }
    signal("CONT");
    let output = output_of(child, DEADLINE);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let reasons = found["invalid_reasons"].to_string();
    assert_eq!(output.status.code(), Some(4), "its figures do not hold: {reasons}");
    assert!(reasons.contains("the load generator itself stood still for 0."), "{reasons}");
}

#[test]
fn redirects_and_errors_are_named() {
    let moved = ScriptedHttp::start_now(|_| Answer::status(301, "").header("location", "/b")).expect("target");
    let mixed =
        ScriptedHttp::start_now(|r| Answer::status(if r.number % 4 == 0 { 503 } else { 200 }, "")).expect("target");
    let dir = temp();
    let load = ["-c", "2", "-d", "500ms", "--warmup", "0s"];
    let (_, text, _) = run(dir.path(), &[["bench", "http", &moved.url()].as_slice(), &load].concat());
    assert!(text.contains("statuses: all 301"), "a redirect is no page: {text}");
    assert!(!text.contains("schedule lag"), "a closed loop has no lag: {text}");
    let (_, text, _) = run(dir.path(), &[["bench", "http", &mixed.url()].as_slice(), &load].concat());
    assert!(text.contains("503 25.") || text.contains("503 24."), "with their shares: {text}");
    assert!(text.contains("with failures") && text.contains("failed"), "errors are in the distribution: {text}");
}

#[test]
fn what_is_too_short_is_not_judged_or_not_started() {
    let target = ScriptedHttp::start_now(|_| Answer::ok("ok").after(Duration::from_millis(20))).expect("target");
    let dir = temp();
    // About 200 requests: enough for a run, not for a p99.
    let lines = "duration = '1s'\nthresholds = ['p99 < 5s', 'p50 < 5s']\n[load]\nkind = 'closed'\nconnections = 6";
    let (code, found) = json(dir.path(), &["bench", "run", &plan(dir.path(), &target.url(), lines)]);
    let p99 = &found["thresholds"][0];
    assert_eq!((code, &p99["ok"], &p99["unjudged"]), (4, &false.into(), &true.into()), "it could not be judged: {p99}");
    assert!(p99["note"].as_str().is_some_and(|n| n.contains("p99 needs 1000")), "and says what it needs: {p99}");
    let before = target.requests();
    let open = |thresholds: &str, rate: u32| {
        format!(
            "duration = '2s'\nthresholds = [{thresholds}]\n[load]\nkind = 'open'\nrate_per_s = {rate}\nmax_in_flight = 9"
        )
    };
    for (lines, needs) in [
        (open("", 40), "a run needs 100 requests"),
        (open("'p99 < 1s'", 200), "threshold 'p99 < 1s' needs 1 000 requests"),
        (open("'p99.9 < 1s', 'p50 < 1s'", 4_000), "threshold 'p99.9 < 1s' needs 10 000 requests"),
    ] {
        let (code, _, err) = run(dir.path(), &["bench", "run", &plan(dir.path(), &target.url(), &lines)]);
        assert!(code == 2 && err.contains(needs) && err.contains("hint: Measure for"), "{needs}: {code} {err}");
    }
    let short = ["bench", "http", &target.url(), "--rate", "30", "-d", "3s"];
    let (code, _, err) = run(dir.path(), &short);
    assert!(code == 2 && err.contains("90") && err.contains("4 s or more"), "{code} {err}");
    assert_eq!(target.requests(), before, "before the first request");
}

#[test]
fn a_duet_that_cannot_give_a_verdict_is_not_started() {
    let target = ScriptedHttp::start_now(|_| Answer::ok("ok")).expect("target");
    let (dir, url) = (temp(), target.url());
    let (a, b) = (format!("{url}/a"), format!("{url}/b"));
    let duet = |args: &[&str]| run(dir.path(), &[&["bench", "duet", "--pairs", "6", "--rest", "0s"], args].concat());
    let (code, _, err) = duet(&[&a, &b]);
    assert!(code == 2 && err.contains("not comparable: request: GET /a in A, GET /b in B"), "{code} {err}");
    assert!(err.contains("name it: request") && err.contains("--changed FACT"), "the way out is named: {err}");
    let (code, _, err) = duet(&[&url, &url, "--rate", "60", "-d", "3s"]);
    assert!(code == 2 && err.contains("p50 of a run of a pair needs 200 requests"), "{code} {err}");
    let (code, _, err) = duet(&[&url, &url, "--rate", "400", "-d", "1s", "--metric", "p99"]);
    assert!(code == 2 && err.contains("p99 of a run of a pair needs 10 000"), "{code} {err}");
    assert_eq!(target.requests(), 0, "before the first request");
    let short = ["-c", "4", "-d", "200ms", "--warmup", "0s", "--json"];
    let (code, out, err) = duet(&[&[a.as_str(), &b, "--changed", "request"], short.as_slice()].concat());
    let found: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out} {err}"));
    assert!(matches!(code, 0 | 3 | 4) && found["differences"] == serde_json::json!([]), "named, it runs: {found}");
    let notes = found["notes"].to_string();
    assert!(notes.contains("the change: request: GET /a in A, GET /b in B"), "and is told: {notes}");
    let open = ["--rate", "1000", "-c", "8", "-d", "300ms", "--warmup", "0s", "--json"];
    let (_, out, err) = duet(&[&[url.as_str(), &url], open.as_slice()].concat());
    let found: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out} {err}"));
    let primary: Vec<&Value> = found["metrics"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|m| m["primary"] == true)
        .map(|m| &m["name"])
        .collect();
    assert_eq!(primary, ["p50"], "what its runs are too short for decides nothing");
    assert!(found["notes"].to_string().contains("p99 is not judged"), "and is told: {}", found["notes"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_gives_the_pairs_and_the_steps_so_far() {
    let target = ScriptedHttp::start_now(|_| Answer::ok("ok").after(Duration::from_millis(1))).expect("target");
    let (dir, url) = (temp(), target.url());
    let stopped = |args: &[&str], after: u64| {
        let from = target.connections();
        let child = perfctl(dir.path(), args);
        // The runs of a duet and the steps of a search open their connections one after the other: so many are several.
        eventually_blocking(DEADLINE, || target.connections() >= from + after);
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
        assert!(sent.success(), "the signal is sent to our own child");
        output_of(child, DEADLINE)
    };
    let duet = ["bench", "duet", &url, &url, "-c", "4", "-d", "500ms", "--warmup", "0s", "--rest", "0s"];
    let output = stopped(&[&duet[..], &["--pairs", "50", "--json"]].concat(), 25);
    assert_eq!(output.status.code(), Some(1), "what was stopped is no success");
    let found: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    assert!(found["metrics"][0]["pairs"].as_u64().is_some_and(|n| n >= 1), "the pairs so far: {found}");
    assert_eq!(found["verdict"], "inconclusive", "and no verdict");
    assert!(found["notes"].to_string().contains("stopped after"), "{}", found["notes"]);
    let steps = ["--slo", "p50<900ms", "--max", "512", "--step", "500ms", "--warmup", "0s", "--json"];
    let output = stopped(&[&["bench", "knee", &url][..], &steps].concat(), 8);
    assert_eq!(output.status.code(), Some(1), "what was stopped is no success");
    let found: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(found["state"], "stopped", "{}", found["sentence"]);
    assert!(found["points"].as_array().is_some_and(|p| !p.is_empty()), "the steps so far: {found}");
}

#[test]
fn the_knee_holds_its_own_measurement_and_survives_a_noisy_start() {
    // Four at a time, ten milliseconds each; the first forty take a quarter of a second.
    let slots = std::sync::Arc::new(std::sync::Mutex::new([Instant::now(); 4]));
    let target = ScriptedHttp::start_now(move |r| {
        let mut slots = slots.lock().expect("slots");
        let now = Instant::now();
        let free = slots.iter_mut().min().expect("a slot");
        let each = if r.number < 6 { 250 } else { 10 };
        *free = (*free).max(now) + Duration::from_millis(each);
        Answer::ok("hello").after(*free - now)
    })
    .expect("target");
    let dir = temp();
    let steps = ["--step", "1500ms", "--confirm-for", "1500ms", "--warmup", "0s", "--max", "32"];
    let url = target.url();
    let args = [["bench", "knee", &url, "--slo", "p90<28ms"].as_slice(), &steps].concat();
    let (code, found) = json(dir.path(), &args);
    assert_eq!((code, &found["state"]), (0, &"found".into()), "one bad step is not the target: {}", found["sentence"]);
    let (rate, capacity) = (found["rate_per_s"].as_f64().expect("a rate"), &found["capacity"]);
    let (low, high) = (capacity["low"].as_f64().expect("low"), capacity["high"].as_f64().unwrap_or(f64::INFINITY));
    assert!(low <= rate && rate <= high, "the interval holds what was measured: {}", found["sentence"]);
    let points = found["points"].as_array().expect("steps");
    for p in points.iter().filter(|p| p["holds"] == true) {
        assert!(p["figures"]["n"].as_u64().is_some_and(|n| n >= 100), "what held had its hundred requests: {p}");
    }
}

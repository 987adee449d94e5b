//! The locustfile with the real Locust: what it counts is what the target saw.
//!
//! Locust is installed once into `target/tools` with Python's own venv and pip.
#![cfg(unix)]
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perfdeck_bench::transfer::{Imported, Tool, export, import};
use perfdeck_plan::{Plan, from_toml};
use perfdeck_testkit::{Answer, ScriptedHttp};

const VERSION: &str = "2.47.0";

/// Runs a set-up command to its end.
fn set_up(command: &mut Command) {
    let out = command.stdin(Stdio::null()).output().expect("python3 with venv is installed");
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Locust, installed when it is not there yet. Tests of several processes wait for the one that installs it.
fn locust() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target"), PathBuf::from);
    let tools = target.join("tools");
    std::fs::create_dir_all(&tools).expect("a folder for tools");
    let home = tools.join(format!("locust-{VERSION}"));
    let program = home.join("bin/locust");
    let complete = home.join("complete");
    // Held to the end of the installation; the system lets go of it when this process ends.
    let lock = File::create(tools.join("locust.lock")).expect("a lock file");
    lock.lock().expect("the lock");
    if complete.is_file() && program.is_file() {
        return program;
    }
    let _ = std::fs::remove_dir_all(&home);
    set_up(Command::new("python3").args(["-m", "venv"]).arg(&home));
    let wanted = format!("locust=={VERSION}");
    set_up(Command::new(home.join("bin/python")).args(["-m", "pip", "install", "--quiet", &wanted]));
    File::create(complete).expect("the mark of a complete installation");
    program
}

/// Processes that end with the test.
struct Processes(Vec<Child>);

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn log(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_default()
}

/// Runs a plan with a master and two workers; the folder then has the results.
fn run(plan: &Plan, target: &ScriptedHttp, env: &[(&str, &str)]) -> tempfile::TempDir {
    let files = BTreeMap::from([("users.csv".to_owned(), b"id,mail\n1,a@x\n2,b c\n3,c@x\n".to_vec())]);
    let export = export(plan, Tool::Locust, Some(&target.url()), &files).expect("it can be handed over");
    let folder = tempfile::tempdir().expect("a folder");
    for file in &export.files {
        let path = folder.path().join(&file.name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        std::fs::write(path, &file.contents).expect("a file");
    }
    let (program, port) = (locust(), perfdeck_testkit::free_port().expect("a port").to_string());
    let start = |name: &str, args: &[&str]| {
        let out = File::create(folder.path().join(name)).expect("a log");
        let mut command = Command::new(&program);
        command.args(["-f", "locustfile.py", "--skip-log-setup"]).args(args).envs(env.iter().copied());
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(out.try_clone().expect("the log")).stderr(out);
        command.spawn().expect("locust starts")
    };
    let bound = ["--master-bind-host", "127.0.0.1", "--master-bind-port", &port];
    let master = [&["--master", "--headless", "--expect-workers", "2", "--csv", "own"][..], &bound].concat();
    let worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", &port];
    let mut all = Processes(vec![start("master.log", &master)]);
    all.0.extend([start("worker1.log", &worker), start("worker2.log", &worker)]);
    let deadline = Instant::now() + Duration::from_secs(50);
    for child in &mut all.0 {
        while child.try_wait().expect("its state").is_none() {
            let logs = ["master.log", "worker1.log"].map(|name| log(folder.path(), name));
            assert!(Instant::now() < deadline, "it ends in time: {logs:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    folder
}

fn read(folder: &Path, names: &[&str]) -> Imported {
    let file = |name: &&str| {
        let bytes = std::fs::read(folder.join(name));
        ((*name).to_owned(), bytes.unwrap_or_else(|e| panic!("{name}: {e}; {}", log(folder, "master.log"))))
    };
    let files: Vec<_> = names.iter().map(file).collect();
    import(Tool::Locust, &files).unwrap_or_else(|e| panic!("it can be read: {e}"))
}

const WEIGHTS: &str = r#"
name = "weights '); import os #"
seed = 3
timeout = "2s"
[load]
kind = "closed"
connections = 4
think_time = "5ms"
[[stages]]
kind = "hold"
duration = "2s"
[[stages]]
kind = "ramp"
to = 8.0
duration = "3s"
[auth]
kind = "bearer"
token = "env:PERFDECK_TEST_TOKEN"
[[feeds]]
name = "user"
kind = "csv"
file = "users.csv"
[[steps]]
name = "read 'it' \\ ${x} 😀"
kind = "http"
path = "/read/{{user.id}}?m={{user.mail|url}}"
weight = 3.0
checks = [{ status = 200 }, { json_pointer = "/id", equals = 7 }]
[[steps]]
name = "write"
kind = "http"
method = "POST"
path = "/write"
json = { mail = "{{user.mail}}" }
"#;

#[test]
fn counts_are_those_of_the_target() {
    let seen: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let log = seen.clone();
    let target = ScriptedHttp::start_now(move |request| {
        let authorized = request.header("authorization") == Some("Bearer s3cret");
        let kind = if authorized { format!("{} {}", request.method, request.path) } else { "stranger".to_owned() };
        *log.lock().expect("the log").entry(kind).or_default() += 1;
        let answer = if request.path == "/write" { Answer::status(503, "{}") } else { Answer::ok(r#"{"id":7}"#) };
        answer.after(Duration::from_millis(2))
    })
    .expect("a target");
    let plan = from_toml(WEIGHTS).expect("the plan is right");
    let folder = run(&plan, &target, &[("PERFDECK_TEST_TOKEN", "s3cret")]);
    let seen = seen.lock().expect("the log").clone();
    let paths: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        ["GET /read/1?m=a%40x", "GET /read/2?m=b%20c", "GET /read/3?m=c%40x", "POST /write"],
        "every row was sent, with the token"
    );
    let reads: u64 = seen.iter().filter(|(path, _)| path.starts_with("GET")).map(|(_, n)| n).sum();
    let writes = seen["POST /write"];
    let exact = read(folder.path(), &["perfdeck.ndjson"]);
    let names: Vec<&str> = exact.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["read 'it' \\ ${x} 😀", "write"], "steps have their names");
    assert_eq!(
        exact.requests,
        target.requests(),
        "all that the target saw: {}",
        self::log(folder.path(), "master.log")
    );
    assert_eq!((exact.steps[0].requests, exact.steps[1].requests), (reads, writes), "by step");
    assert_eq!((exact.steps[0].errors, exact.steps[1].errors), (0, writes), "what the target refused");
    assert_eq!(exact.steps[1].errors_by, [("status 503".to_owned(), writes)], "and why");
    let share = reads as f64 / exact.requests as f64;
    assert!(exact.requests > 500 && (0.68..0.82).contains(&share), "three of four are reads: {reads}, {writes}");
    let service = exact.service.as_ref().expect("a histogram");
    assert_eq!(service.len(), exact.requests, "each request has its time");
    assert!(service.min() >= 1_900, "none is faster than the target: {} µs", service.min());
    let seconds: u64 = exact.intervals.iter().map(|s| s.requests).sum();
    assert_eq!(seconds, exact.requests, "the seconds add up");
    assert_eq!(exact.intervals.len(), 5, "five seconds were measured");
    assert!(exact.intervals[4].requests > exact.intervals[0].requests, "more users, more requests");
    let own = read(folder.path(), &["own_stats.csv", "own_stats_history.csv", "own_failures.csv"]);
    assert_eq!((own.requests, own.errors), (exact.requests, exact.errors), "Locust's own count is the same");
    assert!(own.service.is_none() && own.percentiles.len() > 5, "with percentiles alone");
    let run = exact.into_run("r".into(), "n".into(), None, perfdeck_model::Machine::default());
    assert!(run.valid && run.response_ms.is_none(), "valid, without a response time: {:?}", run.invalid_reasons);
    assert!((4.9..5.6).contains(&run.duration_s), "five seconds: {}", run.duration_s);
}

const SCENARIO: &str = r#"
name = "scenario"
scenario = true
timeout = "2s"
[load]
kind = "open"
rate_per_s = 40.0
max_in_flight = 8
[warmup]
kind = "fixed"
duration = "2s"
[auth]
kind = "login"
step = "login"
var = "token"
[[feeds]]
name = "key"
kind = "zipf"
items = 100
[[steps]]
name = "login"
kind = "http"
method = "POST"
path = "/login"
extract = [{ var = "token", json_pointer = "/token" }]
[[steps]]
name = "list"
kind = "http"
path = "/list?k={{key}}&s={{$seq}}"
extract = [{ var = "id", header = "X-Id" }]
[[steps]]
name = "item"
kind = "http"
path = "/item/{{id}}/{{$uuid}}/{{$random 5 5}}"
checks = [{ body_contains = "no such text" }]
[[steps]]
name = "never"
kind = "http"
path = "/never"
"#;

#[test]
fn a_scenario_keeps_its_order_and_leaves_its_warm_up_out() {
    let seen: Arc<Mutex<Vec<(Instant, String, bool)>>> = Arc::default();
    let log = seen.clone();
    let target = ScriptedHttp::start_now(move |request| {
        let authorized = request.header("authorization") == Some("Bearer t 1");
        log.lock().expect("the log").push((Instant::now(), request.path.clone(), authorized));
        Answer::ok(r#"{"token":"t 1"}"#).header("X-Id", "7")
    })
    .expect("a target");
    let mut plan = from_toml(SCENARIO).expect("the plan is right");
    plan.duration = Some(perfdeck_plan::Span::seconds(4));
    let folder = run(&plan, &target, &[]);
    let seen = seen.lock().expect("the log").clone();
    let of = |start: &str| seen.iter().filter(|(_, path, _)| path.starts_with(start)).collect::<Vec<_>>();
    let (logins, lists, items) = (of("/login"), of("/list"), of("/item/7/"));
    assert_eq!(logins.len(), 8, "one login per user");
    assert_eq!(lists.len(), items.len(), "each list is followed by its item");
    assert!(of("/never").is_empty(), "nothing follows a step that fails");
    assert!(lists.iter().chain(&items).all(|(_, _, authorized)| *authorized), "all have the token");
    let numbers: std::collections::BTreeSet<&str> = lists.iter().filter_map(|(_, p, _)| p.split("s=").nth(1)).collect();
    assert_eq!(numbers.len(), lists.len(), "no number of an iteration is there twice");
    let all = read(folder.path(), &["perfdeck.ndjson"]);
    let list = all.steps.iter().find(|s| s.name == "list").expect("the step");
    let item = all.steps.iter().find(|s| s.name == "item").expect("the step");
    assert_eq!(item.errors, item.requests, "the check never holds");
    assert_eq!(item.errors_by[0].0, "check 1 (body_contains)", "and says which");
    assert!(list.requests < lists.len() as u64, "the warm-up is not counted");
    let expected = 160.0;
    let off = (list.requests as f64 - expected).abs() / expected;
    assert!(off < 0.25, "40 a second for four seconds: {}", list.requests);
    assert!(all.steps.iter().all(|s| s.name != "login" || s.requests == 0), "the login is no part of the figures");
}

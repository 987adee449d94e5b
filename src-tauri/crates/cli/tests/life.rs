//! The life of `perfctl`: what it keeps when it is ended, stopped for a while, or not alone.
#![cfg(unix)]
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perfdeck_model::{Clock as _, SystemClock};
use perfdeck_testkit::{Answer, Postgres, Redis, ScriptedHttp, eventually_blocking, output_of};
use serde_json::{Value, json};

/// Longest time any step of these tests may take.
const DEADLINE: Duration = Duration::from_secs(60);

fn perfctl(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perfctl"));
    command.args(args).env_clear().env("PERFDECK_DATA_DIR", dir).env("HOME", dir).stdin(Stdio::null());
    for name in ["PATH", "TMPDIR", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A program that is ended with the test.
struct Running(Option<Child>);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(Some(command.spawn().expect("it starts")))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("it runs")
    }

    fn signal(&mut self, name: &str) {
        let pid = self.child().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(sent.success(), "{name} is sent to our own child");
    }

    /// Waits for its end.
    fn end(mut self) -> Output {
        output_of(self.0.take().expect("it runs"), DEADLINE)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Running::start(perfctl(dir, args)).end();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn answer(dir: &Path, args: &[&str], code: i32) -> Value {
    let (got, out, err) = run(dir, args);
    assert_eq!(got, code, "{args:?}: {err}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?} writes JSON: {e}: {out}"))
}

/// The only run in the store: interrupted, with figures, and journaled.
fn interrupted(dir: &Path, how: &str) {
    let runs = answer(dir, &["run", "list", "--json"], 0);
    let runs = runs["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 1, "{how}: the run is kept: {runs:?}");
    assert_eq!(runs[0]["state"], "interrupted", "{how}: it says how it ended");
    assert!(runs[0]["requests"].as_f64().is_some_and(|n| n > 10.0), "{how}: with its figures so far: {}", runs[0]);
    let run = answer(dir, &["run", "show", runs[0]["id"].as_str().expect("id"), "--json"], 0);
    assert!(run["duration_s"].as_f64().is_some_and(|s| s > 0.1 && s < 49.0), "{how}: {}", run["duration_s"]);
    assert!(run["intervals"].as_array().is_some(), "{how}: it can be read");
    let journal = answer(dir, &["journal", "--json"], 0).to_string();
    assert!(journal.contains("interrupted: Perfdeck was ended"), "{how}: the journal knows: {journal}");
}

#[test]
fn a_benchmark_that_is_ended_by_any_signal_is_kept_as_interrupted() {
    for signal in ["INT", "TERM", "HUP"] {
        let dir = tempfile::tempdir().expect("temp dir");
        let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
        let url = target.url();
        let load = ["bench", "http", &url, "-c", "1", "--rate", "100", "-d", "50s", "--warmup", "0s", "--json"];
        let mut bench = Running::start(perfctl(dir.path(), &load));
        eventually_blocking(DEADLINE, || target.requests() > 40);
        let refused = run(dir.path(), &["bench", "http", &url, "-d", "1s", "--json"]);
        assert_eq!(refused.0, 1, "{signal}: one benchmark at a time, across processes: {}", refused.2);
        assert!(
            refused.2.contains("is running in perfctl (process ") && refused.2.contains("hint: "),
            "{signal}: it says who: {}",
            refused.2
        );
        bench.signal(signal);
        let output = bench.end();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{signal}: it is not a success: {err}");
        let shown: Value = serde_json::from_slice(&output.stdout).expect("the figures so far");
        assert_eq!(shown["state"], "interrupted", "{signal}: they say so");
        interrupted(dir.path(), signal);
        let again = ["bench", "http", &url, "-c", "1", "--rate", "1000", "-d", "200ms", "--warmup", "0s", "--json"];
        let (code, _, err) = run(dir.path(), &again);
        assert!(matches!(code, 0 | 4), "{signal}: the next one may run: {err}");
    }
}

#[test]
fn a_program_started_to_outlive_its_terminal_does() {
    let dir = tempfile::tempdir().expect("temp dir");
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_perfctl"));
    command.args(["bench", "http", &target.url(), "-c", "1", "--rate", "100", "-d", "2s", "--warmup", "0s", "--json"]);
    command.env("PERFDECK_DATA_DIR", dir.path()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut bench = Running::start(command);
    eventually_blocking(DEADLINE, || target.requests() > 20);
    bench.signal("HUP");
    let output = bench.end();
    let shown: Value = serde_json::from_slice(&output.stdout).expect("a run");
    assert_eq!(shown["state"], "completed", "nohup holds: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_duet_that_is_stopped_gives_its_figures_so_far() {
    let dir = tempfile::tempdir().expect("temp dir");
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let url = target.url();
    let duet = [
        "bench", "duet", &url, "--noise", "-c", "1", "--rate", "200", "-d", "2s", "--warmup", "0s", "--rest", "0s",
        "--json",
    ];
    let mut bench = Running::start(perfctl(dir.path(), &duet));
    eventually_blocking(DEADLINE, || target.requests() > 500);
    bench.signal("INT");
    let output = bench.end();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "it is not a success: {err}");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("its runs: {e}: {err}"));
    let states: Vec<&str> =
        shown["runs"].as_array().expect("runs").iter().filter_map(|r| r["state"].as_str()).collect();
    assert!(states.len() >= 2, "those that were finished, and the one that ran: {shown}");
    assert_eq!(states.first(), Some(&"completed"), "{states:?}");
    assert_eq!(states.last(), Some(&"interrupted"), "{states:?}");
}

/// `perfctl serve`, and the token of each of its two links.
fn serve(dir: &Path, args: &[&str]) -> (Running, String, Option<String>, String) {
    let mut server = Running::start(perfctl(dir, &[&["serve", "--json"], args].concat()));
    let mut line = String::new();
    BufReader::new(server.child().stdout.as_mut().expect("piped")).read_line(&mut line).expect("a line");
    let told: Value = serde_json::from_str(&line).expect("JSON");
    let token = |url: &Value| url.as_str().and_then(|u| u.split_once("#token=")).map(|(_, t)| t.to_owned());
    let address = told["address"].as_str().expect("address").to_owned();
    (server, address, token(&told["url"]), token(&told["read_only_url"]).expect("a link that only looks"))
}

fn rpc(address: &str, token: &str, name: &str, params: &Value) -> (u16, Value) {
    let body = params.to_string();
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("deadline");
    let request = format!(
        "POST /api/rpc/{name} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answered");
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[test]
fn a_server_that_is_ended_keeps_its_benchmark_and_its_second_link_only_looks() {
    let dir = tempfile::tempdir().expect("temp dir");
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let (mut server, address, full, reading) = serve(dir.path(), &[]);
    let full = full.expect("a link with full access");
    let spec = json!({"kind": "http", "url": target.url(), "load": {"kind": "rate", "rate_per_s": 100.0},
                      "connections": 1, "duration_s": 50.0, "warmup_s": 0.0});
    let (status, body) = rpc(&address, &reading, "bench.start", &json!({ "spec": spec }));
    assert_eq!((status, &body["code"]), (403, &json!("guarded")), "a link that only looks sends no load: {body}");
    assert!(body["hint"].as_str().is_some_and(|h| h.contains("full access")), "and says what to do: {body}");
    assert_eq!(target.requests(), 0, "nothing was sent");
    let (status, body) = rpc(&address, &full, "bench.start", &json!({ "spec": spec }));
    assert_eq!(status, 200, "the other one does: {body}");
    eventually_blocking(DEADLINE, || target.requests() > 40);
    let (status, running) = rpc(&address, &reading, "bench.running", &json!({}));
    assert_eq!((status, &running["job"]["state"]), (200, &json!("running")), "it can be looked at: {running}");
    let (status, _) = rpc(&address, &reading, "job.cancel", &json!({"id": running["job"]["id"]}));
    assert_eq!(status, 403, "but not stopped");
    server.signal("TERM");
    let output = server.end();
    assert!(output.status.success(), "it ends as it was asked to: {}", String::from_utf8_lossy(&output.stderr));
    interrupted(dir.path(), "serve");

    let (server, address, full, reading) = serve(dir.path(), &["--read-only"]);
    assert_eq!(full, None, "with --read-only there is no other link");
    assert_eq!(rpc(&address, &reading, "run.list", &json!({})).0, 200, "it shows what there is");
    assert_eq!(rpc(&address, &reading, "demo.open", &json!({})).0, 403, "and does nothing");
    drop(server);
}

/// Length of a stop: collections that begin more than 1.75 s after the one before are late to the scheduler.
const STOP: Duration = Duration::from_secs(3);

/// Lowest and highest rate per second of what a server had answered by moments in milliseconds, over the spans that a sample's
/// rate may be of: 0.5 s to 1.75 s long (the scheduler gives no rate of others) and up to a moment of the sample's second, or of
/// the one before: a sample is named by the second that it is nearest to.
fn answered_rates(answered: &[(f64, f64)], t_ms: f64) -> (f64, f64) {
    let (first, last) = (answered[0].0, answered[answered.len() - 1].0);
    let by = |at: f64| answered[..answered.partition_point(|(t, _)| *t <= at)].last().map_or(0.0, |(_, n)| *n);
    let mut rates = (f64::INFINITY, f64::NEG_INFINITY);
    for end in (-1000..1000).map(|ms| t_ms + f64::from(ms)).step_by(20).filter(|end| *end <= last) {
        for span in (500..=1750).map(f64::from).step_by(50).filter(|span| end - span >= first) {
            let rate = (by(end) - by(end - span)) * 1e3 / span;
            rates = (rates.0.min(rate), rates.1.max(rate));
        }
    }
    rates
}

/// A real SIGSTOP: a process that is stopped for a while, or a laptop that sleeps, shows a gap and never a rate.
#[test]
fn a_process_that_is_stopped_shows_a_gap_and_goes_on() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(Redis::start()).expect("Redis");
    let dir = tempfile::tempdir().expect("temp dir");
    // 500 commands a second, or what a busy machine makes of it: what the server has answered is noted with its moment.
    let answered = Arc::new(Mutex::new(vec![(SystemClock.now_ms(), 0.0)]));
    let mut traffic = runtime.block_on(server.connect()).expect("a connection");
    let load = runtime.spawn({
        let answered = answered.clone();
        async move {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            for n in 1_u32.. {
                tick.tick().await;
                let mut commands = perfdeck_testkit::redis::pipe();
                for _ in 0..10 {
                    commands.cmd("SET").arg("k").arg("v").ignore();
                }
                commands.exec_async(&mut traffic).await.expect("answered");
                answered.lock().expect("not poisoned").push((SystemClock.now_ms(), f64::from(n) * 10.0));
            }
        }
    });
    let _ = answer(dir.path(), &["env", "add", "cache", "--cache", &server.url(), "--json"], 0);
    let mut monitor = Running::start(perfctl(dir.path(), &["monitor", "--env", "cache", "--json"]));
    let out = monitor.child().stdout.take().expect("piped");
    let (lines, samples) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let sample: Value = serde_json::from_str(&line).expect("a sample");
            let rate = sample["series"]["cache.operations"].as_f64();
            if lines.send((sample["t_ms"].as_f64().expect("a time"), rate)).is_err() {
                return;
            }
        }
    });
    let next = || samples.recv_timeout(DEADLINE).expect("samples go on");
    let before = std::iter::repeat_with(next).find(|(_, rate)| rate.is_some()).expect("a rate");
    monitor.signal("STOP");
    let stopped = Instant::now();
    while stopped.elapsed() < STOP {
        std::thread::park_timeout(STOP.saturating_sub(stopped.elapsed()));
    }
    monitor.signal("CONT");
    let mut after = vec![before];
    while after.iter().filter(|(_, rate): &&(f64, Option<f64>)| rate.is_some()).count() < 4 {
        after.push(next());
    }
    // No second within the stop has a sample, so the first one after it is at least as much later as the stop was long.
    let resumed = after.windows(2).find(|w| w[1].0 - w[0].0 >= STOP.as_secs_f64() * 1e3);
    let resumed = resumed.unwrap_or_else(|| panic!("the stop shows as time without samples: {after:?}"));
    assert_eq!(resumed[1].1, None, "the second after the stop is a gap: {after:?}");
    let answered = answered.lock().expect("not poisoned").clone();
    for (t, rate) in &after {
        // A rate of the whole stop would be four times as much. Perfdeck leaves its own commands out, but for a few.
        if let Some(rate) = rate {
            let (low, high) = answered_rates(&answered, *t);
            assert!((low * 0.95..=high * 1.05).contains(rate), "{t}: {rate} is not within {low} to {high}: {after:?}");
        }
    }
    load.abort();
    drop(monitor);
    let _ = reader.join();
}

#[test]
fn sessions_that_hide_their_statement_are_counted() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("temp dir");
    let server = runtime.block_on(Postgres::start()).expect("PostgreSQL");
    runtime.block_on(server.execute("CREATE ROLE small LOGIN PASSWORD 'small'")).expect("a role");
    let mut other = runtime.block_on(server.connect()).expect("a session");
    let sleeping = runtime.spawn(async move {
        use perfdeck_testkit::sqlx::Executor;
        let _ = other.execute("SELECT pg_sleep(50)").await;
    });
    let url = format!("postgres://small@127.0.0.1:{}/app", server.port());
    let ask = |args: &[&str]| {
        let mut command = perfctl(dir.path(), args);
        command.env("SMALL_PASSWORD", "small");
        Running::start(command).end()
    };
    let output =
        ask(&["env", "add", "small", "--database", &url, "--database-password-env", "SMALL_PASSWORD", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = ask(&["db", "activity", "--env", "small"]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "what cannot be seen makes it incomplete: {err}");
    assert!(err.contains("1 session hides its statement from this user"), "{err}");
    assert!(err.contains("GRANT pg_monitor TO \"small\";"), "with what to run: {err}");
    assert!(!err.contains("Nothing runs"), "which is not nothing: {err}");
    let output = ask(&["db", "activity", "--env", "small", "--json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&shown["hidden"], &shown["sessions"]), (&json!(1), &json!([])), "{shown}");
    runtime.block_on(server.execute("GRANT pg_monitor TO small")).expect("granted");
    let output = ask(&["db", "activity", "--env", "small", "--json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&shown["hidden"], &shown["grant"]), (&json!(0), &Value::Null), "once granted, all is seen: {shown}");
    assert_eq!(shown["sessions"][0]["statement"], "SELECT pg_sleep(?)", "{shown}");
    sleeping.abort();
}

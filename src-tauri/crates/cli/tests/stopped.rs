//! Ctrl-C in every phase of a benchmark: `perfctl` ends at once, keeps what there is, and leaves no program behind.
#![cfg(unix)]

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::quick::Quick;
use perfdeck_testkit::{Answer, ScriptedHttp, eventually};
use serde_json::{Value, json};

/// Longest time from Ctrl-C to the end. Each of these phases would go on for seconds or minutes.
const SOON: Duration = Duration::from_millis(1_500);
/// Longest time until a phase is reached.
const DEADLINE: Duration = Duration::from_secs(30);

/// Starts a command, sends Ctrl-C once `reached` is true, as a terminal does to all that it runs, and waits for the end.
async fn stopped<F: Future<Output = bool>>(perfctl: &Quick, args: &[&str], reached: impl FnMut() -> F) -> Output {
    let child = perfctl.command(args).process_group(0).spawn().expect("it starts");
    let id = child.id().expect("it runs");
    eventually(DEADLINE, reached).await;
    let sent = Command::new("kill").args(["-s", "INT", "--", &format!("-{id}")]).status().expect("kill");
    assert!(sent.success(), "the signal is sent to the group of our own child");
    let asked = Instant::now();
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.expect("it ends").expect("ours");
    let (took, said) = (asked.elapsed(), String::from_utf8_lossy(&output.stderr));
    assert!(took < SOON, "{args:?}: it ended {took:?} after Ctrl-C: {said}");
    output
}

/// The states of the runs that are kept, newest first, and how the journal says that load ended.
async fn kept(perfctl: &Quick) -> (Vec<String>, Vec<String>) {
    let (_, runs) = perfctl.json(&["run", "list"]).await;
    let (_, journal) = perfctl.json(&["journal"]).await;
    let texts = |list: &Value, key: &str| -> Vec<String> {
        list.as_array().expect("a list").iter().filter_map(|e| Some(e[key].as_str()?.to_owned())).collect()
    };
    let ended: Vec<Value> =
        journal["entries"].as_array().expect("entries").iter().filter(|e| e["kind"] == "load_ended").cloned().collect();
    (texts(&runs["runs"], "state"), texts(&Value::Array(ended), "text"))
}

fn target() -> ScriptedHttp {
    ScriptedHttp::start_now(|_| Answer::ok("ok").after(Duration::from_millis(1))).expect("a target")
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_phase_of_its_runs_goes_on() {
    let target = target();
    let url = target.url();
    let perfctl = Quick::new();
    let plan = perfctl.folder.path().join("steady.toml");
    let text = format!(
        "name='p'\nbase_url='{url}'\nduration='20s'\nload={{kind='closed',connections=2,think_time='9s'}}\n\
         warmup={{kind='until_steady',at_most='20s'}}\n[[steps]]\nname='s'\nkind='http'\npath='/'\n"
    );
    std::fs::write(&plan, text).expect("written");
    let short = ["-c", "4", "-d", "300ms", "--rest", "0s"];
    let slo = ["--slo", "p50<900ms", "--max", "1", "--step", "300ms", "--confirm-for", "20s", "--warmup", "0s"];
    // Requests, and connections, after which it is in its phase.
    for (phase, args, requests, connections) in [
        ("a duet's warm-up", [&["bench", "duet", &url, &url][..], &short, &["--warmup", "20s"]].concat(), 50, 0),
        ("noise", vec!["bench", "duet", &url, "--noise", "-c", "4", "-d", "20s", "--warmup", "0s"], 50, 0),
        // One connection for the step, and one for what confirms it.
        ("a confirmation", [&["bench", "knee", &url][..], &slo].concat(), 0, 2),
        ("a plan's users who think", vec!["bench", "run", plan.to_str().expect("UTF-8")], 2, 0),
    ] {
        let (before, connected) = (target.requests(), target.connections());
        let output = stopped(&perfctl, &args, async || {
            target.requests() >= before + requests && target.connections() >= connected + connections
        })
        .await;
        assert_eq!(output.status.code(), Some(1), "{phase}: what was stopped is no success");
        let (states, ended) = kept(&perfctl).await;
        assert_eq!(states.first().map(String::as_str), Some("interrupted"), "{phase}: {states:?}");
        let said = ended.first().is_some_and(|t| t.contains("interrupted: Perfdeck was ended"));
        assert!(said && states.len() == ended.len(), "{phase}: the journal knows: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_duet_rests() {
    let target = target();
    let (url, perfctl) = (target.url(), Quick::new());
    let duet = ["bench", "duet", &url, &url, "-c", "4", "-d", "300ms", "--warmup", "0s", "--rest", "60s"];
    // Its first run is kept, and there is nothing between that and the rest.
    let output = stopped(&perfctl, &duet, async || !kept(&perfctl).await.1.is_empty()).await;
    assert_eq!(output.status.code(), Some(1), "no pair was complete: {}", String::from_utf8_lossy(&output.stderr));
    let (states, ended) = kept(&perfctl).await;
    assert_eq!((states, ended.len()), (vec!["completed".to_owned()], 1), "the run that was whole: {ended:?}");
}

/// A program that writes its own process and those that it starts into `pids`.
fn hook(folder: &Path, name: &str, lines: &str) -> String {
    let path = folder.join(name);
    let text = format!("#!/bin/sh\necho $$ >>{0}/pids\n{lines}\n", folder.display());
    std::fs::write(&path, text.replace("PIDS", &format!("{}/pids", folder.display()))).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a program");
    path.to_str().expect("UTF-8").to_owned()
}

fn processes(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("pids")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Whether a process runs; one that has ended and that nobody has asked about does not.
fn runs(pid: &str) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().expect("ps");
    let state = String::from_utf8_lossy(&output.stdout);
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_hook_runs_and_it_ends_with_all_that_it_started() {
    let target = target();
    let (url, perfctl) = (target.url(), Quick::new());
    let folder = perfctl.folder.path();
    // What a shell starts in the background does not listen to Ctrl-C; the last one has lost its parent besides.
    let lost = "trap '' INT TERM\n(sleep 300 & echo $! >>PIDS)\nsleep 300";
    for (name, lines, programs) in [("polite", "sleep 300 & echo $! >>PIDS\nwait", 2), ("deaf", lost, 2)] {
        std::fs::write(folder.join("pids"), "").expect("written");
        let hook = hook(folder, name, lines);
        let duet = ["bench", "duet", &url, "--hook-a", &hook, "--hook-b", &hook, "--warmup", "0s"];
        let output = stopped(&perfctl, &duet, async || processes(folder).len() == programs).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && !said.contains("ended with"), "{name}: it was stopped: {said}");
        // They are told to end before perfctl does; the system takes a moment for it.
        eventually(Duration::from_secs(2), async || !processes(folder).iter().any(|pid| runs(pid))).await;
    }
    assert_eq!((target.requests(), kept(&perfctl).await), (0, (vec![], vec![])), "no load was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_starts_a_server_is_over_and_the_server_stays() {
    let target = target();
    let (url, perfctl) = (target.url(), Quick::new());
    let folder = perfctl.folder.path();
    let restart = hook(folder, "restart", "sleep 300 & echo $! >>PIDS");
    let duet = ["bench", "duet", &url, "--hook-a", &restart, "--hook-b", &restart, "-d", "60s", "--warmup", "0s"];
    let started = Instant::now();
    // What it started holds its output open; that is not waited for.
    stopped(&perfctl, &duet, async || target.requests() > 20).await;
    assert!(started.elapsed() < DEADLINE, "the run began");
    let pids = processes(folder);
    assert_eq!(pids.len(), 2, "one hook and one server: {pids:?}");
    assert!(!runs(&pids[0]) && runs(&pids[1]), "the server is the target and goes on");
    let ended = Command::new("kill").arg(&pids[1]).status().expect("kill");
    assert!(ended.success(), "which this test ends");
}

/// A listener that takes connections and never says a word, and how many it took.
fn silent() -> (u16, Arc<Mutex<Vec<TcpStream>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let all = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&all);
    std::thread::spawn(move || listener.incoming().flatten().for_each(|s| into.lock().expect("lock").push(s)));
    (port, all)
}

/// The request of a page that tests a connection to this port.
fn connection_test(address: &str, token: &str, port: u16) -> String {
    let database = format!("postgres://u@127.0.0.1:{port}/d");
    let body = json!({"id": null, "draft": {"name": "x", "targets": {"database": database}}}).to_string();
    format!(
        "POST /api/rpc/env.test_draft HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_page_tests_a_connection() {
    let (port, taken) = silent();
    let perfctl = Quick::new();
    let file = perfctl.folder.path().join("token");
    std::fs::write(&file, "a-token-of-this-test").expect("written");
    let free = perfdeck_testkit::free_port().expect("a port");
    let address = format!("127.0.0.1:{free}");
    let serve = ["serve", "--listen", &address, "--token-file", file.to_str().expect("UTF-8")];
    let page = std::cell::OnceCell::new();
    let output = stopped(&perfctl, &serve, async || {
        if page.get().is_none()
            && let Ok(mut stream) = TcpStream::connect(&address)
        {
            let request = connection_test(&address, "a-token-of-this-test", port);
            stream.write_all(request.as_bytes()).expect("sent");
            page.set(stream).expect("there was none");
        }
        !taken.lock().expect("lock").is_empty()
    })
    .await;
    assert!(output.status.success(), "it ends as it was asked to: {output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_target_is_asked_before_the_first_request() {
    let (port, taken) = silent();
    let target = target();
    let (url, perfctl) = (target.url(), Quick::new());
    for (name, flag, address) in [
        ("pg", "--database", format!("postgres://u@127.0.0.1:{port}/d")),
        ("my", "--database", format!("mysql://u@127.0.0.1:{port}/d")),
        ("redis", "--cache", format!("redis://127.0.0.1:{port}")),
    ] {
        perfctl.ok(&["env", "add", name, "--kind", "development", flag, &address]).await;
    }
    for args in [
        &["env", "test", "pg"][..],
        &["env", "test", "my"],
        &["env", "test", "redis"],
        &["bench", "sql", "--env", "pg", "--sql", "select 1", "-d", "60s"],
        &["bench", "sql", "--env", "my", "--sql", "select 1", "-d", "60s"],
        &["bench", "cache", "--env", "redis", "-d", "60s"],
        &["bench", "http", &url, "--env", "pg", "-d", "60s"],
        &["bench", "knee", &url, "--env", "pg", "--slo", "p99<50ms"],
        &["bench", "duet", &url, &url, "--a", "pg", "--b", "my", "-d", "60s"],
    ] {
        taken.lock().expect("lock").clear();
        let output = stopped(&perfctl, args, async || !taken.lock().expect("lock").is_empty()).await;
        assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}: it has nothing to show: {output:?}");
    }
    assert_eq!((target.requests(), kept(&perfctl).await), (0, (vec![], vec![])), "no load was sent");
}

//! What guards refuse, and how it is allowed.
use std::process::{Command, Stdio};

use perfdeck_testkit::{Answer, ScriptedHttp};

use super::{finish, json, run, temp};

#[cfg(unix)]
#[test]
fn production_is_read_only_until_it_is_unlocked_for_the_run() {
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let (dir, url) = (temp(), target.url());
    json(dir.path(), &["env", "add", "clinic", "--kind", "production", "--api", &url], 0);
    let plan = ["bench", "http", &url, "--env", "clinic", "--method", "POST", "--rate", "100", "-c", "2", "-d", "1s"];
    let with = |more: &[&'static str]| -> Vec<&str> { plan.iter().copied().chain(more.iter().copied()).collect() };
    let (code, _, err) = run(dir.path(), &with(&["--confirm", "clinic"]));
    assert_eq!(code, 1, "a write is refused: {err}");
    assert!(err.contains("read-only") && err.contains("hint: "), "it says why and what to do: {err}");
    let refused = ["bench", "http", &url, "--env", "clinic", "--method", "POST", "--rate", "900", "-d", "1s"];
    let (code, _, err) = run(dir.path(), &[&refused[..], &["--unlock", "--confirm", "clinic"]].concat());
    assert!(code == 1 && err.contains("100"), "unlocked, a guard can still refuse: {err}");
    let (code, _, err) = run(dir.path(), &with(&["--unlock"]));
    assert!(code == 1 && err.contains("name typed"), "unlocking needs the name: {err}");
    let sent = || target.requests();
    let before = sent();
    let (code, _, err) = run(dir.path(), &with(&["--unlock", "--confirm", "clinic", "--warmup", "0s"]));
    assert!(code == 0 || code == 4, "unlocked and confirmed, it runs: {err}");
    assert!(sent() >= before + 10, "and sends its requests: {} then {}", before, sent());
    let (code, _, err) = run(dir.path(), &with(&["--confirm", "clinic"]));
    assert!(code == 1 && err.contains("read-only"), "the lock was open for that run only: {err}");
    let journal = json(dir.path(), &["journal", "--env", "clinic"], 0);
    assert_eq!(journal["schema"], "perfdeck.journal/1", "the answer names its schema");
    let kinds: Vec<&str> =
        journal["entries"].as_array().expect("entries").iter().rev().filter_map(|e| e["kind"].as_str()).collect();
    let unlocked = journal["entries"].as_array().expect("entries").iter().find(|e| e["kind"] == "unlocked");
    assert_eq!(unlocked.map(|e| &e["text"]), Some(&"changes are allowed for this run".into()), "and no longer");
    let all = ["created", "load_refused", "load_refused", "unlocked", "load_started", "load_ended", "load_refused"];
    assert_eq!(kinds, all, "everything that happened, in order: {journal}");
    let (code, out, _) = run(dir.path(), &["journal", "--limit", "1"]);
    assert!(code == 0 && out.contains("load refused") && out.contains("read-only"), "and as a table: {out}");

    let removed = json(dir.path(), &["env", "remove", "clinic"], 0);
    let id = removed["id"].as_str().expect("its identifier");
    let deleted = json(dir.path(), &["deleted"], 0);
    assert_eq!((&deleted["deleted"][0]["id"], &deleted["deleted"][0]["kind"]), (&id.into(), &"environment".into()));
    let (code, _, err) = run(dir.path(), &["restore", "nothing"]);
    assert!(code == 1 && err.contains("hint: perfctl deleted"), "{err}");
    let (code, _, err) = run(dir.path(), &["restore", id]);
    assert!(code == 0 && err.contains("Restored the environment 'clinic'"), "{err}");
    assert_eq!(json(dir.path(), &["deleted"], 0)["deleted"], serde_json::json!([]), "it is back");
}

#[test]
fn a_public_host_is_shown_and_guarded_before_anything_is_sent() {
    let dir = temp();
    // An address of TEST-NET-3 (RFC 5737), which is nobody's; the guard refuses before it is used.
    let plan = ["bench", "http", "http://203.0.113.1/", "-d", "1s", "--warmup", "0s", "--timeout", "1s"];
    let (code, _, err) = run(dir.path(), &plan);
    assert_eq!(code, 1, "a closed loop is refused: {err}");
    assert!(err.contains("Load goes to 203.0.113.1"), "its address comes first: {err}");
    assert!(err.contains("203.0.113.1 is a public address") && err.contains("explicit rate"), "and the reason: {err}");
    let (code, _, err) = run(dir.path(), &[plan.as_slice(), &["--rate", "10"]].concat());
    assert!(code == 1 && err.contains("needs its name typed") && err.contains("--confirm"), "and a word: {err}");
}

#[cfg(unix)]
#[test]
fn connections_that_do_not_fit_into_the_open_files_are_refused() {
    let target = ScriptedHttp::start_now(|_| Answer::ok("hello")).expect("target");
    let dir = temp();
    let limited = |limit: &str, connections: &str| {
        // A shell lowers the limit for perfctl alone.
        let script = format!(
            "ulimit -n {limit} && exec \"$0\" bench http {} -c {connections} -d 300ms --warmup 0s",
            target.url()
        );
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_perfctl")]).env("PERFDECK_DATA_DIR", dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = finish(command.spawn().expect("a shell"));
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, err) = limited("100", "90");
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("do not fit into the 100 files") && err.contains("hint: Ask for at most"), "{err}");
    assert_eq!(target.requests(), 0, "before anything is sent");
    let (code, err) = limited("200", "50");
    assert!(code == 0 || code == 4, "fewer fit: {code} {err}");
    assert!(!err.contains("Too many open files"), "{err}");
}

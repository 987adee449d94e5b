//! `kill -9` at any moment: what was answered as saved is there afterwards, and the store opens.
mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::perfctl::{Perfctl, Server, eventually};

fn names(environments: &Value) -> Vec<String> {
    let list = environments.as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|e| e["name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn what_was_saved_survives_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    let perfctl = Perfctl::on(&folder.path().join("data"));
    let mut saved: Vec<String> = Vec::new();
    for round in 0..4 {
        let server = Server::start(&perfctl);
        let before = names(&server.call("env.list", &json!({})).expect("the store opens after a kill"));
        for name in &saved {
            assert!(before.contains(name), "round {round}: {name} was answered as saved and is gone: {before:?}");
        }
        // A writer that never pauses; the kill falls somewhere into it.
        std::thread::scope(|scope| {
            let server = &server;
            let writer = scope.spawn(move || {
                let mut answered = Vec::new();
                for n in 0.. {
                    let name = format!("round-{round}-{n}");
                    let draft = json!({"name": name, "kind": "development", "targets": {"api": "http://127.0.0.1:9"}});
                    match server.call("env.create", &json!({"draft": draft})) {
                        Ok(_) => answered.push(name),
                        Err(_) => break,
                    }
                }
                answered
            });
            eventually("some writes are done", Duration::from_secs(30), || {
                let count = names(&server.call("env.list", &json!({})).ok()?).len();
                (count > before.len() + 3 + round).then_some(())
            });
            let pid = server.pid().to_string();
            let status = std::process::Command::new("kill").args(["-s", "KILL", &pid]).status().expect("kill runs");
            assert!(status.success(), "the server is killed in the middle of writes");
            saved.extend(writer.join().expect("the writer ends"));
        });
        drop(server);
    }
    assert!(saved.len() >= 16, "the test wrote something: {}", saved.len());
    let listed = perfctl.json(&["env", "list", "--json"]);
    let list = if listed.is_array() { listed } else { listed["environments"].clone() };
    let after = names(&list);
    for name in &saved {
        assert!(after.contains(name), "{name} was answered as saved and perfctl does not list it");
    }
}

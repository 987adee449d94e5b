//! What a cache tells of itself, in the terminal.
use perfdeck_testkit::Redis;
use serde_json::Value;

use super::{json, run, temp};

#[tokio::test(flavor = "multi_thread")]
async fn health_slow_log_and_clients_answer_by_their_schemas() {
    let server = Redis::start_with(&[
        "--maxmemory",
        "100mb",
        "--maxmemory-policy",
        "allkeys-lfu",
        "--slowlog-log-slower-than",
        "0",
    ])
    .await;
    let server = server.expect("Redis");
    let mut held = server.connect().await.expect("a connection");
    for command in [&["CLIENT", "SETNAME", "worker-1"][..], &["SET", "session:1", "canary", "EX", "60"]] {
        let mut line = perfdeck_testkit::redis::Cmd::new();
        line.arg(command).exec_async(&mut held).await.expect("runs");
    }
    let dir = temp();
    json(dir.path(), &["env", "add", "shop", "--cache", &server.url()], 0);
    let health = json(dir.path(), &["cache", "health", "--env", "shop"], 0);
    assert_eq!((&health["schema"], &health["state"]), (&"perfdeck.health/1".into(), &"ok".into()), "{health:#}");
    let (_, text, _) = run(dir.path(), &["cache", "health", "--env", "shop"]);
    assert!(text.contains("Keys without expiry") && text.contains("Replication"), "{text}");
    let log = json(dir.path(), &["cache", "slowlog", "--env", "shop", "--command", "set"], 0);
    assert_eq!(log["schema"], "perfdeck.cache_slowlog/1");
    let words: Vec<&str> =
        log["entries"][0]["words"].as_array().expect("words").iter().filter_map(|w| w["text"].as_str()).collect();
    assert_eq!(words, ["SET", "session:1", "?", "EX", "60"], "{log:#}");
    let (code, text, notes) = run(dir.path(), &["cache", "slowlog", "--env", "shop", "--by", "duration", "--top", "5"]);
    assert!(code == 0 && text.lines().count() <= 6 && !text.contains("canary"), "{text}{notes}");
    assert!(notes.contains("are logged"), "the threshold is told: {notes}");
    let clients = json(dir.path(), &["cache", "clients", "--env", "shop"], 0);
    assert_eq!(clients["schema"], "perfdeck.cache_clients/1");
    let named =
        |name: &str| clients["clients"].as_array().expect("clients").iter().filter(|c| c["name"] == name).count();
    assert_eq!((named("worker-1"), named("perfdeck")), (1, 1), "{clients:#}");
    let hot = json(dir.path(), &["cache", "hot", "--env", "shop"], 0);
    assert_eq!(
        (&hot["schema"], &hot["namespaces"][0]["name"]),
        (&"perfdeck.cache_hot/1".into(), &Value::from("session:*")),
        "{hot:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_and_what_is_refused_have_their_codes() {
    let server = Redis::start().await.expect("Redis");
    server.execute(&["ACL", "SETUSER", "default", "-@all", "+ping", "+info"]).await.expect("an account without rights");
    let dir = temp();
    json(dir.path(), &["env", "add", "blind", "--cache", &server.url()], 0);
    let health = json(dir.path(), &["cache", "health", "--env", "blind"], 4);
    assert!(
        health["checks"].as_array().expect("checks").iter().any(|c| c["grant"] == "ACL SETUSER default +slowlog|get"),
        "{health}"
    );
    let (code, _, notes) = run(dir.path(), &["cache", "clients", "--env", "blind"]);
    assert!(code == 4 && notes.contains("hint: ACL SETUSER default +client|list"), "{code} {notes}");
    let (code, _, err) = run(dir.path(), &["cache", "hot", "--env", "blind"]);
    assert!(code == 1 && err.contains("allkeys-lfu"), "no counters, and what turns them on: {err}");
    let down = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    json(dir.path(), &["env", "add", "down", "--cache", &format!("redis://127.0.0.1:{down}/0")], 0);
    let health = json(dir.path(), &["cache", "health", "--env", "down"], 3);
    assert_eq!(health["checks"][0]["id"], "reachable", "a verdict, not a failure of the command: {health}");
    json(dir.path(), &["env", "add", "bare", "--api", "http://127.0.0.1:1/"], 0);
    let (code, _, err) = run(dir.path(), &["cache", "clients", "--env", "bare"]);
    assert!(code == 1 && err.contains("hint: "), "it says what is missing: {err}");
}

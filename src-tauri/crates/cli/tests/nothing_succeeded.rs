//! Runs in which every request failed, however it is sent: what was not measured is shown as nothing, and never as 0.

use crate::quick::Quick;
use perfdeck_testkit::{POSTGRES_PASSWORD, Postgres, Redis};
use serde_json::Value;

/// The rate and the 99th percentile of the newest run in the list.
async fn shown(perfctl: &Quick) -> (String, String) {
    let text = perfctl.ok(&["run", "list"]).await;
    let mut lines = text.lines();
    // Names hold single spaces; columns are further apart.
    let mut next = || -> Vec<String> {
        let cells = lines.next().expect("a line").split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect()
    };
    let (heads, cells) = (next(), next());
    let cell = |head: &str| {
        let at = heads.iter().position(|h| h == head).unwrap_or_else(|| panic!("a column {head}: {heads:?}"));
        cells[at].clone()
    };
    (cell("rate"), cell("p99"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_a_success_has_no_rate_and_no_latency_in_the_list() {
    let (postgres, redis) = tokio::join!(Postgres::start(), Redis::start());
    let (postgres, redis) = (postgres.expect("PostgreSQL"), redis.expect("Redis"));
    let perfctl = Quick::new().with("APP_PASSWORD", POSTGRES_PASSWORD);
    let database = format!("postgres://perfdeck@127.0.0.1:{}/app", postgres.port());
    let add = ["env", "add", "both", "--kind", "development", "--database", &database];
    perfctl.ok(&[&add[..], &["--database-password-env", "APP_PASSWORD", "--cache", &redis.url()]].concat()).await;
    // A text is no list.
    redis.execute(&["SET", "text:0", "a"]).await.expect("set");
    let script = perfctl.folder.path().join("fails.sql");
    std::fs::write(&script, "SELECT 1/0;\nSELECT 1;\n").expect("written");
    let url = format!("http://127.0.0.1:{}/", perfdeck_testkit::free_port().expect("a port"));
    let sql = ["bench", "sql", "--env", "both"];
    let push = ["bench", "cache", "--env", "both", "--mix", "lpush=1", "--prefix", "text:", "--keys", "1"];
    for (what, args) in [
        ("a refused port", vec!["bench", "http", &url]),
        ("a refused port at a rate", vec!["bench", "http", &url, "--rate", "400"]),
        ("a statement that fails", [&sql[..], &["--sql", "SELECT 1/0"]].concat()),
        ("a first statement that fails", [&sql[..], &["--script", script.to_str().expect("UTF-8")]].concat()),
        ("a command on another kind of key", push.to_vec()),
        ("the same at a rate", [&push[..], &["--rate", "400"]].concat()),
    ] {
        let (code, run) = perfctl.json(&[&args[..], &["-c", "4", "-d", "400ms", "--warmup", "0s"]].concat()).await;
        assert_eq!((code, &run["requests"]), (1, &run["errors"]), "{what}: none succeeds: {}", run["invalid_reasons"]);
        assert!(run["requests"].as_u64().is_some_and(|n| n > 0), "{what}: they were sent");
        for times in ["response_ms", "service_ms"] {
            for name in ["p50", "p90", "p99", "p999", "max"] {
                assert!(run[times][name].is_null(), "{what}: {times}.{name} is not known: {}", run[times]);
            }
        }
        let (_, listed) = perfctl.json(&["run", "list"]).await;
        let newest = &listed["runs"][0];
        assert_eq!(newest["id"], run["id"], "{what}: it is kept");
        assert_eq!((&newest["p50_ms"], &newest["p99_ms"]), (&Value::Null, &Value::Null), "{what}: {newest}");
        assert_eq!(shown(&perfctl).await, ("–".to_owned(), "–".to_owned()), "{what}: and the list says so");
    }
}

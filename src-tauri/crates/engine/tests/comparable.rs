//! What keeps two runs from being compared: what the targets were before them, against a real server.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::{Engine, EngineOptions};
use perfdeck_testkit::{Answer, Postgres, ScriptedHttp};
use serde_json::{Value, json};

/// Runs a benchmark to its end and answers its run.
async fn run(engine: &Arc<Engine>, url: &str, environment: &str) -> Value {
    let spec = json!({"kind": "http", "url": url, "load": {"kind": "rate", "rate_per_s": 400.0}, "connections": 4,
                      "duration_s": 0.5, "warmup_s": 0.0});
    let job = engine.json("bench.start", json!({"spec": spec, "environment_id": environment})).await.expect("it may");
    let id = job["id"].as_str().expect("id").to_owned();
    let end = tokio::time::timeout(Duration::from_secs(60), engine.jobs().wait(&id)).await.expect("within a minute");
    let end = serde_json::to_value(end.expect("known")).expect("json");
    engine.json("run.get", json!({"id": end["result"]["id"]})).await.expect("stored")
}

async fn differences(engine: &Arc<Engine>, a: &Value, b: &Value, changed: &[&str]) -> (Vec<String>, Vec<String>) {
    let pair = json!({"a": a["id"], "b": b["id"], "changed": changed});
    let found = engine.json("compare.runs", pair).await.expect("a comparison");
    let texts = |key: &str| -> Vec<String> { serde_json::from_value(found[key].clone()).expect("texts") };
    (texts("differences"), texts("notes"))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_setting_or_other_data_is_another_target() {
    let dir = tempfile::tempdir().expect("temp dir");
    let options = EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None };
    let engine = Engine::open(options).await.expect("the engine opens");
    let api = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let database = Postgres::start().await.expect("PostgreSQL");
    let draft = json!({"name": "shop", "targets": {"api": api.url(), "database": database.url()}});
    let made = engine.json("env.create", json!({"draft": draft})).await.expect("created");
    let id = made["id"].as_str().expect("id").to_owned();

    let (first, second) = (run(&engine, &api.url(), &id).await, run(&engine, &api.url(), &id).await);
    let version = first["facts"]["version.database"].as_str().unwrap_or_default();
    assert!(version.starts_with("PostgreSQL "), "a run knows what it measured: {}", first["facts"]);
    assert_eq!(differences(&engine, &first, &second, &[]).await.0, [""; 0], "nothing was changed");

    database.execute("ALTER SYSTEM SET work_mem = '9MB'").await.expect("a setting");
    database.execute("SELECT pg_reload_conf()").await.expect("it is read");
    let third = run(&engine, &api.url(), &id).await;
    let text = "setting database.work_mem: the default in A, 9MB in B";
    assert_eq!(differences(&engine, &second, &third, &[]).await.0, [text], "it is named");
    let (left, notes) = differences(&engine, &second, &third, &["setting.database.work_mem"]).await;
    assert!(left.is_empty() && notes.contains(&format!("the change: {text}")), "unless it is the change: {notes:?}");
    let (left, _) = differences(&engine, &second, &third, &["version.*"]).await;
    assert_eq!(left, [text], "another change is not this one");

    database.execute("CREATE TABLE orders AS SELECT generate_series(1, 5000) id").await.expect("rows");
    database.execute("ANALYZE orders").await.expect("they are counted");
    let fourth = run(&engine, &api.url(), &id).await;
    let (left, _) = differences(&engine, &third, &fourth, &[]).await;
    assert_eq!(left, ["data database.public.orders: none in A, 5000 in B"], "other data is another target");
    engine.shutdown().await;
}

//! The main job through the commands: open the demo, watch it, benchmark it, report it, open the store again.
use std::time::Duration;

use perfdeck_engine::{ByEnvironment, Engine, EngineOptions, Reply};
use perfdeck_model::{Columns, Frame, FrameEncoder, FrameKind, Part, Tag, Watching};
use serde_json::{Value, json};

async fn open(dir: &std::path::Path) -> std::sync::Arc<Engine> {
    Engine::open(EngineOptions { data_dir: Some(dir.to_owned()), clock: None }).await.expect("the engine opens")
}

async fn job(engine: &std::sync::Arc<Engine>, name: &str, params: Value) -> Value {
    let job = engine.json(name, params).await.expect("the job starts");
    let id = job["id"].as_str().expect("id").to_owned();
    let end = tokio::time::timeout(Duration::from_secs(60), engine.jobs().wait(&id)).await.expect("within a minute");
    serde_json::to_value(end.expect("known")).expect("json")
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_watch_benchmark_report_and_reopen() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let demo = job(&engine, "demo.open", json!({})).await;
    assert_eq!(demo["state"], "done", "the demo opens: {demo}");

    let mut viewer = engine.watch(Watching::everything(Some("demo"))).await.expect("watched");
    let first = viewer.next().await.expect("frame");
    assert_eq!(first.kind, FrameKind::Snapshot, "a viewer first gets the whole state");
    let watched = async {
        let mut seen = std::collections::BTreeSet::new();
        let mut encoder = FrameEncoder::default();
        while let Some(frame) = viewer.next().await {
            let sent = encoder.encode(frame.clone());
            let bytes = serde_json::to_string(&sent).expect("json").len();
            assert!(bytes < 8_000 || !sent.names.is_empty(), "a frame stays under 8 kB: {bytes}");
            seen.extend(frame.series.into_iter().filter(|(_, v)| v.iter().any(Option::is_some)).map(|(k, _)| k));
            let all = [
                "system.cpu.utilization{cpu.mode=user}",
                "http.server.requests",
                "database.transactions",
                "cache.operations",
                "api.probe.total",
            ];
            if all.iter().all(|s| seen.contains(*s)) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), watched).await.expect("every tier has live samples within 20 s");

    let asked = ByEnvironment { environment_id: "demo".to_owned() };
    let metrics = perfdeck_engine::monitoring::metrics(engine.clone(), asked).await.expect("metrics");
    let series = |name: &str| metrics.iter().find(|m| m.metric.name == name).map(|m| m.series);
    assert_eq!(series("http.server.requests"), Some(1), "what is measured has its series");
    assert!(series("system.cpu.utilization").is_some_and(|n| n > 1), "one for each of its modes");
    assert_eq!(series("database.locks.waiting"), Some(0), "and what the demo has not is listed without any");

    let environment = engine.json("env.get", json!({"id": "demo"})).await.expect("demo");
    let url = environment["targets"]["api"]["url"].as_str().expect("url").to_owned();
    let bench = job(
        &engine,
        "bench.start",
        json!({"environment_id": "demo", "name": "health", "spec": {"kind": "http", "url": format!("{url}/health"),
            "load": {"kind": "closed"}, "connections": 4, "duration_s": 2.0, "warmup_s": 0.2}}),
    )
    .await;
    assert_eq!(bench["state"], "done", "the benchmark ends: {bench}");
    let run_id = bench["result"]["id"].as_str().expect("run id").to_owned();
    let run = engine.json("run.get", json!({"id": run_id})).await.expect("stored");
    assert_eq!(run["valid"], true, "{}", run["invalid_reasons"]);
    let Reply::Binary(bytes) = engine.dispatch("run.series", json!({"id": run_id})).await.expect("series") else {
        panic!("series are binary");
    };
    let series = Columns::decode(&bytes).expect("columns");
    assert!(
        series.rows() >= 2 && series.get("cache.operations").is_some(),
        "the environment's series are kept with the run"
    );

    let out = dir.path().join("r.html");
    let report =
        job(&engine, "report.create", json!({"environment_id": "demo", "out": out, "run_ids": [run_id]})).await;
    assert_eq!(report["state"], "done", "the report is written: {report}");
    let html = std::fs::read_to_string(&out).expect("file");
    assert!(html.contains("Content-Security-Policy") && !html.contains("http-equiv=\"refresh\""), "with its policy");
    let document: Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("r.json")).expect("json file")).expect("json");
    assert_eq!(document["runs"][0]["requests"], run["requests"], "with the numbers of the store");
    engine.shutdown().await;

    let again = open(dir.path()).await;
    let runs = again.json("run.list", json!({})).await.expect("list");
    assert_eq!(runs[0]["id"], run_id.as_str(), "a run survives the program");
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_environments_come_back() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let draft = json!({"name": "clinic", "targets": {"cache": "redis://127.0.0.1:1/0"}});
    let made = engine.json("env.create", json!({"draft": draft})).await.expect("created");
    let twice = engine.json("env.create", json!({"draft": draft})).await.expect_err("a name is used once");
    assert_eq!(twice.code, perfdeck_model::ErrorCode::Conflict, "and says so");
    let id = made["id"].as_str().expect("id");
    engine.json("env.delete", json!({"id": id})).await.expect("deleted");
    assert_eq!(
        engine.json("env.list", json!({})).await.expect("list").as_array().expect("array").len(),
        1,
        "only the demo is left"
    );
    engine.json("env.restore", json!({"id": id})).await.expect("restored");
    let copy = engine.json("env.duplicate", json!({"id": id})).await.expect("copied");
    assert_eq!(copy["name"], "clinic copy", "a copy has a free name");
    assert!(engine.json("env.delete", json!({"id": "demo"})).await.is_err(), "the demo stays");
    engine.shutdown().await;
}

/// The stored data that a frame says has changed.
fn changed(frame: &Frame) -> &[Tag] {
    let changed = frame.parts.iter().find_map(|part| match part {
        Part::Changed(tags) => Some(tags.as_slice()),
        _ => None,
    });
    changed.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_engines_share_a_store() {
    let dir = tempfile::tempdir().expect("temp dir");
    let (a, b) = (open(dir.path()).await, open(dir.path()).await);
    let mut viewer = b.watch(Watching::everything(None)).await.expect("viewer");
    let snapshot = viewer.next().await.expect("snapshot");
    assert!(
        changed(&snapshot).contains(&Tag::Environments),
        "who listed before it was told of changes lists again: {snapshot:?}"
    );
    let told = async {
        loop {
            a.json(
                "env.create",
                json!({"draft": {"name": format!("e{}", uuid()), "targets": {"api": "http://127.0.0.1:1"}}}),
            )
            .await
            .expect("created");
            let frame = viewer.next().await.expect("frame");
            let tags = changed(&frame);
            assert!(
                tags.iter().all(|tag| [Tag::Environments, Tag::Journal].contains(tag)),
                "only what was written is read again: {tags:?}"
            );
            if tags.contains(&Tag::Environments) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(15), told).await.expect("the other engine's viewers hear of it");
    assert!(b.json("env.list", json!({})).await.expect("list").as_array().expect("array").len() > 1, "and read it");
    a.shutdown().await;
    b.shutdown().await;
}

fn uuid() -> String {
    use std::time::SystemTime;
    format!("{:?}", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos())
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_malformed_requests_are_answered() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    for (name, params) in [
        ("no.such", json!({})),
        ("env.get", json!({"id": "nope"})),
        ("env.get", json!({"id": 5})),
        ("monitor.history", json!({"environment_id": "demo", "from_ms": 5.0, "to_ms": 1.0, "width_px": 10})),
        (
            "bench.start",
            json!({"spec": {"kind": "http", "url": "nope", "load": {"kind": "closed"}, "connections": 1, "duration_s": 1.0}}),
        ),
        ("report.create", json!({"environment_id": "demo"})),
    ] {
        let error = engine.dispatch(name, params).await.expect_err(name);
        assert!(!error.message.is_empty(), "{name} says what is wrong");
    }
    engine.shutdown().await;
}

//! The main job through the commands: open the demo, watch it, benchmark it, report it, open the store again.

use std::path::Path;
use std::time::Duration;

use crate::support::{api, benchmark, by_environment, by_id, ended, http, measure, open, result, run_of};
use perfdeck_engine::bench::{self, BenchRequest, RunList, RunSeries};
use perfdeck_engine::environments::{self, EnvCreate, EnvDuplicate, EnvUpdate};
use perfdeck_engine::{DeletedKind, Empty, Reply, database, house, monitoring, reports};
use perfdeck_model::{
    CheckState, Columns, Frame, FrameEncoder, FrameKind, HttpBenchSpec, JobState, Kind, Load, Part, ReportRequest, Tag,
    Watching,
};
use serde_json::{Value, json};
use sqlx::Connection;

/// Stores the newest run again, so many times and each a minute older.
async fn copied(folder: &Path, times: i64) {
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("perfdeck.db"));
    let mut store = sqlx::SqliteConnection::connect_with(&file).await.expect("the store");
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO runs (id, environment_id, started_ms, summary, doc)
         SELECT id || '-' || i, environment_id, started_ms - i * 60000.0, summary, doc FROM runs, n",
    )
    .bind(times)
    .execute(&mut store)
    .await
    .expect("copies");
    store.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_watch_benchmark_report_and_reopen() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let demo = environments::demo_open(engine.clone(), Empty {}).await.expect("it starts");
    let demo = ended(&engine, &demo).await;
    assert_eq!(demo.state, JobState::Done, "the demo opens: {demo:?}");

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

    let metrics = monitoring::metrics(engine.clone(), by_environment("demo")).await.expect("metrics");
    let series = |name: &str| metrics.iter().find(|m| m.metric.name == name).map(|m| m.series);
    assert_eq!(series("http.server.requests"), Some(1), "what is measured has its series");
    assert!(series("system.cpu.utilization").is_some_and(|n| n > 1), "one for each of its modes");
    assert_eq!(series("database.locks.waiting"), Some(0), "and what the demo has not is listed without any");

    let environment = environments::get(engine.clone(), by_id("demo")).await.expect("demo");
    let url = environment.targets.api.expect("its API").url;
    let spec = HttpBenchSpec { warmup_s: 0.2, ..http(&format!("{url}/health"), Load::Closed, 4, 2.0) };
    let asked = BenchRequest { name: Some("health".to_owned()), ..benchmark(spec, Some("demo")) };
    let run = run_of(&engine, &measure(&engine, asked).await.expect("it may")).await;
    assert!(run.valid, "{:?}", run.invalid_reasons);
    // Columns go over the wire in a form of their own.
    let asked = serde_json::to_value(RunSeries { id: run.id.clone(), series: None }).expect("JSON");
    let Reply::Binary(bytes) = engine.dispatch("run.series", asked).await.expect("series") else {
        panic!("series are binary");
    };
    let series = Columns::decode(&bytes).expect("columns");
    assert!(
        series.rows() >= 2 && series.get("cache.operations").is_some(),
        "the environment's series are kept with the run"
    );

    let out = dir.path().join("r.html");
    let asked = ReportRequest {
        environment_id: "demo".to_owned(),
        run_ids: vec![run.id.clone()],
        comparison_ids: Vec::new(),
        knee_ids: Vec::new(),
        findings: true,
        out: Some(out.display().to_string()),
        json_out: None,
        title: None,
    };
    let report = reports::create(engine.clone(), asked).await.expect("it starts");
    let written = result(&ended(&engine, &report).await);
    assert_eq!(reports::get(engine.clone(), by_id(&written)).await.expect("it is listed").file.run_ids, [&*run.id]);
    let html = std::fs::read_to_string(&out).expect("file");
    assert!(html.contains("Content-Security-Policy") && !html.contains("http-equiv=\"refresh\""), "with its policy");
    let document: Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("r.json")).expect("json file")).expect("json");
    assert_eq!(document["runs"][0]["requests"], run.requests, "with the numbers of the store");

    let pools = database::db_pool(engine.clone(), by_environment("demo")).await.expect("pools");
    let own: Vec<(&str, u32)> = pools.own.iter().map(|p| (p.name.as_str(), p.stats.size)).collect();
    assert_eq!(own, [("demo API, readers", 5), ("demo API, writer", 1)], "Perfdeck's own are complete");
    let readers = &pools.own[0].stats;
    assert!(
        readers.acquired > 0 && readers.wait.count == readers.acquired,
        "the traffic went through them: {readers:?}"
    );
    let health = database::db_health(engine.clone(), by_environment("demo")).await.expect("health");
    let state = |id: &str| health.checks.iter().find(|c| c.id == id).map(|c| c.state);
    for id in ["reachable", "latency", "journal", "wal", "integrity"] {
        assert_eq!(state(id), Some(CheckState::Ok), "{id}: {health:#?}");
    }
    engine.shutdown().await;

    copied(dir.path(), 1_200).await;
    let again = open(dir.path()).await;
    let runs = bench::run_list(again.clone(), RunList::default()).await.expect("list");
    assert_eq!(runs[0].id, run.id, "a run survives the program");
    assert_eq!(runs.len(), 1_201, "a list is whole: a count of a part would be untrue");
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_environments_come_back() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let draft =
        crate::support::draft("clinic", Kind::Development, crate::support::cache("redis://127.0.0.1:1/0".to_owned()));
    let id = crate::support::environment(&engine, draft.clone()).await;
    let twice = environments::create(engine.clone(), EnvCreate { draft }).await.expect_err("a name is used once");
    assert_eq!(twice.code, perfdeck_model::ErrorCode::Conflict, "and says so");
    environments::delete(engine.clone(), by_id(&id)).await.expect("deleted");
    let deleted = house::deleted_list(engine.clone(), Empty {}).await.expect("a list");
    assert_eq!(deleted.len(), 1, "{deleted:?}");
    assert_eq!((deleted[0].kind, &*deleted[0].id, &*deleted[0].name), (DeletedKind::Environment, &*id, "clinic"));
    let listed = environments::list(engine.clone(), Empty {}).await.expect("list");
    assert_eq!(listed.len(), 1, "only the demo is left: {listed:?}");
    environments::restore(engine.clone(), by_id(&id)).await.expect("restored");
    assert_eq!(house::deleted_list(engine.clone(), Empty {}).await.expect("a list"), []);
    let copy = EnvDuplicate { id, name: None, draft: None };
    let copy = environments::duplicate(engine.clone(), copy).await.expect("copied");
    assert_eq!(copy.name, "clinic copy", "a copy has a free name");
    assert!(environments::delete(engine.clone(), by_id("demo")).await.is_err(), "the demo stays");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_saved_is_not_overwritten() {
    let dir = tempfile::tempdir().expect("temp dir");
    let (one, other) = (open(dir.path()).await, open(dir.path()).await);
    let cache = || crate::support::cache("redis://127.0.0.1:1/0".to_owned());
    let id = crate::support::environment(&one, crate::support::draft("shop", Kind::Development, cache())).await;
    let read_ms = environments::get(one.clone(), by_id(&id)).await.expect("it is there").updated_ms;
    let guarded =
        EnvUpdate { id: id.clone(), draft: crate::support::draft("shop", Kind::Production, cache()), read_ms };
    environments::update(other.clone(), guarded).await.expect("saved");
    let stale =
        EnvUpdate { id: id.clone(), draft: crate::support::draft("store", Kind::Development, cache()), read_ms };
    let refused = environments::update(one.clone(), stale).await.expect_err("it was read before");
    assert_eq!(refused.code, perfdeck_model::ErrorCode::Conflict, "{refused:?}");
    assert!(refused.message.contains("'shop' was changed elsewhere"), "{refused:?}");
    let kept = environments::get(one.clone(), by_id(&id)).await.expect("it is there");
    assert_eq!((kept.kind, kept.guards.read_only), (Kind::Production, true), "with its guards");

    for name in ["ѕhop", "sh\u{43e}p"] {
        let same = EnvCreate { draft: crate::support::draft(name, Kind::Development, cache()) };
        let refused = environments::create(one.clone(), same).await.expect_err("it is taken for the other");
        assert!(refused.message.contains("looks the same as 'shop'"), "{refused:?}");
    }
    let own = EnvCreate { draft: crate::support::draft("магазин", Kind::Development, cache()) };
    environments::create(one.clone(), own).await.expect("names of other scripts are names");
    one.shutdown().await;
    other.shutdown().await;
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
            let api = api("http://127.0.0.1:1".to_owned());
            crate::support::environment(&a, crate::support::draft(&format!("e{}", uuid()), Kind::Development, api))
                .await;
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
    assert!(environments::list(b.clone(), Empty {}).await.expect("list").len() > 1, "and read it");
    a.shutdown().await;
    b.shutdown().await;
}

fn uuid() -> String {
    use std::time::SystemTime;
    format!("{:?}", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos())
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_malformed_requests_are_answered() {
    // What comes over the wire is in no type yet.
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

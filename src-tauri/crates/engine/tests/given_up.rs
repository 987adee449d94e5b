//! What nobody waits for any more ends at once: connection tests, whose page was left, and reports that are stopped.
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perfdeck_engine::{Engine, EngineOptions};
use perfdeck_model::JobState;
use perfdeck_testkit::{Answer, ScriptedHttp, eventually};
use serde_json::{Value, json};

/// Longest time from the word to the end.
const SOON: Duration = Duration::from_secs(1);
/// Longest time of anything else.
const DEADLINE: Duration = Duration::from_secs(20);

async fn open(dir: &Path) -> Arc<Engine> {
    Engine::open(EngineOptions { data_dir: Some(dir.to_owned()), clock: None }).await.expect("the engine opens")
}

/// Whether the other end has closed its connection; what it sent before is read.
fn is_closed(stream: &TcpStream) -> bool {
    use std::io::Read as _;
    stream.set_nonblocking(true).expect("a socket");
    let mut sent = [0; 4096];
    loop {
        match (&mut &*stream).read(&mut sent) {
            Ok(0) => return true,
            Ok(_) => {}
            // Reset, or nothing more yet.
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_test_that_is_given_up_lets_its_target_go() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    for (target, scheme) in
        [("database", "postgres"), ("database", "mysql"), ("cache", "redis"), ("cache", "rediss"), ("api", "http")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("{scheme}://127.0.0.1:{}", listener.local_addr().expect("bound").port());
        let draft = json!({"name": "x", "targets": {target: url}});
        let engine = engine.clone();
        let test =
            tokio::spawn(async move { engine.json("env.test_draft", json!({"id": null, "draft": draft})).await });
        let (taken, _) = eventually(DEADLINE, async || listener.accept()).await;
        assert!(!test.is_finished(), "{scheme}: it waits for an answer");
        let asked = Instant::now();
        test.abort();
        eventually(DEADLINE, async || is_closed(&taken)).await;
        assert!(asked.elapsed() < SOON, "{scheme}: its connection was closed after {:?}", asked.elapsed());
        assert!(test.await.is_err_and(|e| e.is_cancelled()), "{scheme}: nobody has its answer");
    }
    engine.shutdown().await;
}

/// Runs a command that is a job, and answers its result.
async fn job(engine: &Arc<Engine>, name: &str, params: Value) -> String {
    let job = engine.json(name, params).await.expect("the job starts");
    let end = engine.jobs().wait(job["id"].as_str().expect("id")).await.expect("known");
    end.result.unwrap_or_else(|| panic!("it ends well: {:?}", end.error)).id().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_stopped_writes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start_now(|_| Answer::ok("ok")).expect("a target");
    let draft = json!({"name": "x", "targets": {"api": target.url()}});
    let environment = engine.json("env.create", json!({ "draft": draft })).await.expect("created");
    let id = environment["id"].as_str().expect("id");
    let spec = json!({"kind": "http", "url": target.url(), "load": {"kind": "closed"}, "connections": 2,
                      "duration_s": 0.3, "warmup_s": 0.0});
    let run = job(&engine, "bench.start", json!({"environment_id": id, "spec": spec})).await;
    // Long enough to be stopped in the middle of it.
    let many = vec![run; 20];
    for step in ["reading runs", "drawing charts"] {
        let out = dir.path().join(format!("{step}.html"));
        let report = json!({"environment_id": id, "run_ids": many, "out": out});
        let started = engine.json("report.create", report).await.expect("it starts");
        let report = started["id"].as_str().expect("id");
        while engine.jobs().get(report).is_some_and(|j| j.state == JobState::Running && j.step != step) {
            tokio::task::yield_now().await;
        }
        let asked = Instant::now();
        assert!(engine.jobs().cancel(report), "{step}: it can be stopped");
        let end = engine.jobs().wait(report).await.expect("known");
        assert!(asked.elapsed() < SOON, "{step}: it ended after {:?}", asked.elapsed());
        assert_eq!((end.state, end.result), (JobState::Cancelled, None), "{step}: {:?}", end.error);
        assert!(!out.exists() && !out.with_extension("json").exists(), "{step}: no file was written");
    }
    assert_eq!(engine.json("report.list", json!({})).await.expect("a list"), json!([]), "and none is listed");
    engine.shutdown().await;
}

//! What nobody waits for any more ends at once: connection tests, whose page was left, and reports that are stopped.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{api, benchmark, cache, database, http, measure, open, result};
use perfdeck_engine::Empty;
use perfdeck_engine::environments::{self, TestDraft};
use perfdeck_engine::reports;
use perfdeck_model::{JobState, Kind, Load, ReportRequest, TargetsDraft};
use perfdeck_testkit::{Answer, ScriptedHttp, eventually};

/// Longest time from the word to the end.
const SOON: Duration = Duration::from_secs(1);
/// Longest time of anything else.
const DEADLINE: Duration = Duration::from_secs(20);

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
    for (scheme, targets) in [
        ("postgres", database as fn(String) -> TargetsDraft),
        ("mysql", database),
        ("redis", cache),
        ("rediss", cache),
        ("http", api),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("{scheme}://127.0.0.1:{}", listener.local_addr().expect("bound").port());
        let asked = TestDraft { draft: crate::support::draft("x", Kind::Development, targets(url)), id: None };
        let test = tokio::spawn(environments::test_draft(engine.clone(), asked));
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

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_stopped_writes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start_now(|_| Answer::ok("ok")).expect("a target");
    let id =
        crate::support::environment(&engine, crate::support::draft("x", Kind::Development, api(target.url()))).await;
    let spec = http(&target.url(), Load::Closed, 2, 0.3);
    let run = result(&measure(&engine, benchmark(spec, Some(&id))).await.expect("it may"));
    // Long enough to be stopped in the middle of it.
    let many = vec![run; 20];
    for step in ["reading runs", "drawing charts"] {
        let out = dir.path().join(format!("{step}.html"));
        let asked = ReportRequest {
            environment_id: id.clone(),
            run_ids: many.clone(),
            comparison_ids: Vec::new(),
            knee_ids: Vec::new(),
            findings: true,
            out: Some(out.display().to_string()),
            json_out: None,
            title: None,
        };
        let report = &reports::create(engine.clone(), asked).await.expect("it starts").id;
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
    let listed = reports::list(engine.clone(), Empty {}).await.expect("a list");
    assert!(listed.is_empty(), "and none is listed: {listed:?}");
    engine.shutdown().await;
}

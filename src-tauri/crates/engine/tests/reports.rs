//! Reports of comparisons, knees and runs: what is in them, what is refused, that they are the same when made twice, and what
//! can be done with them afterwards.

use std::sync::Arc;

use crate::support::{api, benchmark, by_id, draft, ended, environment, measure, open, result};
use perfdeck_engine::bench::{self, BenchRequest};
use perfdeck_engine::reports::{self, ReportRename};
use perfdeck_engine::{BenchSpec, DeletedKind, Empty, Engine, KneeRequest, house};
use perfdeck_model::{ErrorCode, HttpBenchSpec, Kind, Load, ReportRequest};
use perfdeck_testkit::{Answer, ScriptedHttp};
use serde_json::Value;

fn spec(url: &str) -> HttpBenchSpec {
    crate::support::http(&format!("{url}/?api_key=canary"), Load::Closed, 2, 0.3)
}

/// An environment with two runs and a knee.
async fn measured(engine: &Arc<Engine>, url: &str) -> (String, [String; 2], String) {
    let id = environment(engine, draft("shop", Kind::default(), api(url.to_owned()))).await;
    let run = async || {
        let asked = BenchRequest { name: Some("one".to_owned()), ..benchmark(spec(url), Some(&id)) };
        result(&measure(engine, asked).await.expect("it may begin"))
    };
    let runs = [run().await, run().await];
    let search = KneeRequest {
        spec: BenchSpec::Http(spec(url)),
        environment_id: Some(id.clone()),
        slo: "p50<5s".to_owned(),
        max_connections: 2,
        step_s: 0.2,
        confirm_s: 0.2,
        confirm: None,
    };
    let job = bench::knee_start(engine.clone(), search).await.expect("it may begin");
    let knee = result(&ended(engine, &job).await);
    (id, runs, knee)
}

/// A report of an environment, of nothing by name.
fn of(environment_id: &str) -> ReportRequest {
    ReportRequest { environment_id: environment_id.to_owned(), ..ReportRequest::default() }
}

/// Writes a report and answers its identifier.
async fn written(engine: &Arc<Engine>, asked: ReportRequest) -> String {
    let job = reports::create(engine.clone(), asked).await.expect("the job starts");
    result(&ended(engine, &job).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn comparisons_and_knees_are_in_a_report_that_is_the_same_when_made_twice() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start_now(|_| Answer::ok("ok")).expect("a target");
    let (id, runs, knee) = measured(&engine, target.url().trim_end_matches('/')).await;
    let request = |out: &str| ReportRequest {
        comparison_ids: vec![runs.join(":")],
        knee_ids: vec![knee.clone()],
        run_ids: vec![runs[0].clone()],
        out: Some(dir.path().join(out).display().to_string()),
        ..of(&id)
    };
    let first = written(&engine, request("a.html")).await;
    written(&engine, request("b.html")).await;
    let read = |name: &str| std::fs::read(dir.path().join(name)).expect("written");
    assert!(read("a.html") == read("b.html") && read("a.json") == read("b.json"), "byte for byte");
    // The file as others read it.
    let document: Value = serde_json::from_slice(&read("a.json")).expect("JSON");
    assert_eq!(document["comparisons"][0]["kind"], "indicative", "two runs, held against each other");
    assert_eq!(document["comparisons"][0]["runs"].as_array().map(Vec::len), Some(2), "with both runs");
    assert!(document["comparisons"][0]["curve_a"]["points"].is_array(), "and their curves");
    assert!(document["knees"][0]["points"].as_array().is_some_and(|p| !p.is_empty()), "with the steps of the search");
    assert_eq!(document["heatmaps"][0]["run_id"], runs[0].as_str(), "with the seconds of the run");
    for file in ["a.html", "a.json"] {
        assert!(!String::from_utf8_lossy(&read(file)).contains("canary"), "{file} holds no secret of an address");
    }

    let preview = reports::preview(engine.clone(), request("never.html")).await.expect("it is drawn");
    assert!(preview.html.as_bytes() == read("a.html"), "what would be written");
    assert!(!dir.path().join("never.html").exists(), "and is not");

    let rename = async |title: &str| {
        reports::rename(engine.clone(), ReportRename { id: first.clone(), title: title.to_owned() }).await
    };
    let renamed = rename("Week 48").await.expect("renamed");
    assert_eq!(renamed.title, "Week 48", "in the list");
    assert!(String::from_utf8_lossy(&read("a.html")).contains("<title>Week 48</title>"), "and in the file");
    reports::delete(engine.clone(), by_id(&first)).await.expect("deleted");
    let listed = reports::list(engine.clone(), Empty {}).await.expect("a list");
    assert!(listed.len() == 1 && listed[0].id != first, "it is off the list: {listed:?}");
    let run = runs[0].clone();
    bench::run_delete(engine.clone(), by_id(&run)).await.expect("deleted");
    bench::knee_delete(engine.clone(), by_id(&knee)).await.expect("deleted");
    let deleted = house::deleted_list(engine.clone(), Empty {}).await.expect("a list");
    let kinds: Vec<DeletedKind> = deleted.iter().map(|item| item.kind).collect();
    assert_eq!(kinds, [DeletedKind::Knee, DeletedKind::Run, DeletedKind::Report], "the last one first: {deleted:?}");
    assert!(deleted.iter().all(|item| !item.name.is_empty() && item.environment.is_some()), "{deleted:?}");
    bench::run_restore(engine.clone(), by_id(&run)).await.expect("restored");
    bench::knee_restore(engine.clone(), by_id(&knee)).await.expect("restored");
    reports::restore(engine.clone(), by_id(&first)).await.expect("restored");
    let back = reports::get(engine.clone(), by_id(&first)).await.expect("it is back");
    assert_eq!(back.file.title, "Week 48", "as it was");
    std::fs::remove_file(dir.path().join("a.json")).expect("removed");
    let gone = rename("x").await.expect_err("its file is gone");
    assert!(gone.message.contains("a.json") && gone.hint.is_some(), "{gone:?}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_in_a_report_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start_now(|_| Answer::ok("ok")).expect("a target");
    let (id, runs, knee) = measured(&engine, target.url().trim_end_matches('/')).await;
    let other = environment(&engine, draft("other", Kind::default(), api(target.url()))).await;
    let with_runs = |id: &str, run_ids: Vec<String>| ReportRequest { run_ids, ..of(id) };
    let comparison = |id: &str, which: &str| ReportRequest { comparison_ids: vec![which.to_owned()], ..of(id) };
    let search = |id: &str, which: &str| ReportRequest { knee_ids: vec![which.to_owned()], ..of(id) };
    for (what, asked, says) in [
        ("no run", of(&other), "'other' has no stored run to report"),
        ("an unknown run", with_runs(&id, vec!["nope".to_owned()]), "nope"),
        ("an unknown comparison", comparison(&id, "nope"), "There is no comparison 'nope'"),
        ("an unknown search", search(&id, "nope"), "There is no search 'nope'"),
        ("another's run", with_runs(&other, vec![runs[0].clone()]), "The run 'one' belongs to another"),
        (
            "another's comparison",
            comparison(&other, &runs.join(":")),
            "The comparison 'one against one' belongs to another",
        ),
        ("another's search", search(&other, &knee), "belongs to another"),
        ("too much", with_runs(&id, vec![runs[0].clone(); 21]), "at most 20"),
    ] {
        let error = reports::preview(engine.clone(), asked).await.expect_err(what);
        assert!(error.message.contains(says), "{what}: {error:?}");
        assert!(error.hint.is_some() || error.code == ErrorCode::NotFound, "{what}: it says what to do: {error:?}");
    }
    engine.shutdown().await;
}

//! Reports of comparisons, knees and runs: what is in them, what is refused, that they are the same when made twice, and what
//! can be done with them afterwards.
use std::path::Path;
use std::sync::Arc;

use perfdeck_engine::{Engine, EngineOptions};
use perfdeck_model::ErrorCode;
use perfdeck_testkit::{Answer, ScriptedHttp};
use serde_json::{Value, json};

async fn open(dir: &Path) -> Arc<Engine> {
    Engine::open(EngineOptions { data_dir: Some(dir.to_owned()), clock: None }).await.expect("the engine opens")
}

/// Runs a command that is a job, and answers its result.
async fn job(engine: &Arc<Engine>, name: &str, params: Value) -> String {
    let job = engine.json(name, params).await.expect("the job starts");
    let end = engine.jobs().wait(job["id"].as_str().expect("id")).await.expect("known");
    end.result.unwrap_or_else(|| panic!("it ends well: {:?}", end.error)).id().to_owned()
}

async fn environment(engine: &Arc<Engine>, name: &str, url: &str) -> String {
    let draft = json!({"name": name, "targets": {"api": url}});
    let made = engine.json("env.create", json!({ "draft": draft })).await.expect("created");
    made["id"].as_str().expect("id").to_owned()
}

fn spec(url: &str) -> Value {
    json!({"kind": "http", "url": format!("{url}/?api_key=canary"), "load": {"kind": "closed"}, "connections": 2,
           "duration_s": 0.3, "warmup_s": 0.0})
}

/// An environment with two runs and a knee.
async fn measured(engine: &Arc<Engine>, url: &str) -> (String, [String; 2], String) {
    let id = environment(engine, "shop", url).await;
    let run = || job(engine, "bench.start", json!({"environment_id": id, "name": "one", "spec": spec(url)}));
    let runs = [run().await, run().await];
    let search = json!({"environment_id": id, "spec": spec(url), "slo": "p50<5s", "max_connections": 2, "step_s": 0.2,
                        "confirm_s": 0.2});
    let knee = job(engine, "knee.start", search).await;
    (id, runs, knee)
}

#[tokio::test(flavor = "multi_thread")]
async fn comparisons_and_knees_are_in_a_report_that_is_the_same_when_made_twice() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start_now(|_| Answer::ok("ok")).expect("a target");
    let (id, runs, knee) = measured(&engine, target.url().trim_end_matches('/')).await;
    let request = |out: &str| {
        json!({"environment_id": id, "comparison_ids": [format!("{}:{}", runs[0], runs[1])], "knee_ids": [knee],
               "run_ids": [runs[0]], "out": dir.path().join(out)})
    };
    let first = job(&engine, "report.create", request("a.html")).await;
    job(&engine, "report.create", request("b.html")).await;
    let read = |name: &str| std::fs::read(dir.path().join(name)).expect("written");
    assert!(read("a.html") == read("b.html") && read("a.json") == read("b.json"), "byte for byte");
    let document: Value = serde_json::from_slice(&read("a.json")).expect("JSON");
    assert_eq!(document["comparisons"][0]["kind"], "indicative", "two runs, held against each other");
    assert_eq!(document["comparisons"][0]["runs"].as_array().map(Vec::len), Some(2), "with both runs");
    assert!(document["comparisons"][0]["curve_a"]["points"].is_array(), "and their curves");
    assert!(document["knees"][0]["points"].as_array().is_some_and(|p| !p.is_empty()), "with the steps of the search");
    assert_eq!(document["heatmaps"][0]["run_id"], runs[0].as_str(), "with the seconds of the run");
    for file in ["a.html", "a.json"] {
        assert!(!String::from_utf8_lossy(&read(file)).contains("canary"), "{file} holds no secret of an address");
    }

    let preview = engine.json("report.preview", request("never.html")).await.expect("it is drawn");
    assert!(preview["html"].as_str().is_some_and(|html| html.as_bytes() == read("a.html")), "what would be written");
    assert!(!dir.path().join("never.html").exists(), "and is not");

    let renamed = engine.json("report.rename", json!({"id": first, "title": "Week 48"})).await.expect("renamed");
    assert_eq!(renamed["title"], "Week 48", "in the list");
    assert!(String::from_utf8_lossy(&read("a.html")).contains("<title>Week 48</title>"), "and in the file");
    engine.json("report.delete", json!({ "id": first })).await.expect("deleted");
    let listed = engine.json("report.list", json!({})).await.expect("a list");
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "it is off the list");
    engine.json("report.restore", json!({ "id": first })).await.expect("restored");
    let back = engine.json("report.get", json!({ "id": first })).await.expect("it is back");
    assert_eq!(back["file"]["title"], "Week 48", "as it was");
    std::fs::remove_file(dir.path().join("a.json")).expect("removed");
    let gone = engine.json("report.rename", json!({"id": first, "title": "x"})).await.expect_err("its file is gone");
    assert!(gone.message.contains("a.json") && gone.hint.is_some(), "{gone:?}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_in_a_report_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start_now(|_| Answer::ok("ok")).expect("a target");
    let (id, runs, knee) = measured(&engine, target.url().trim_end_matches('/')).await;
    let other = environment(&engine, "other", &target.url()).await;
    let preview = |params: Value| engine.json("report.preview", params);
    for (what, params, says) in [
        ("no run", json!({"environment_id": other}), "'other' has no stored run to report"),
        ("an unknown run", json!({"environment_id": id, "run_ids": ["nope"]}), "nope"),
        (
            "an unknown comparison",
            json!({"environment_id": id, "comparison_ids": ["nope"]}),
            "There is no comparison 'nope'",
        ),
        ("an unknown search", json!({"environment_id": id, "knee_ids": ["nope"]}), "There is no search 'nope'"),
        ("another's run", json!({"environment_id": other, "run_ids": [runs[0]]}), "The run 'one' belongs to another"),
        (
            "another's comparison",
            json!({"environment_id": other, "comparison_ids": [runs.join(":")]}),
            "The comparison 'one against one' belongs to another",
        ),
        ("another's search", json!({"environment_id": other, "knee_ids": [knee]}), "belongs to another"),
        ("too much", json!({"environment_id": id, "run_ids": vec![runs[0].clone(); 21]}), "at most 20"),
    ] {
        let error = preview(params).await.expect_err(what);
        assert!(error.message.contains(says), "{what}: {error:?}");
        assert!(error.hint.is_some() || error.code == ErrorCode::NotFound, "{what}: it says what to do: {error:?}");
    }
    engine.shutdown().await;
}

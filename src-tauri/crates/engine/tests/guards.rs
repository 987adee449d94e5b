//! Guards against real servers: what looks like production, what ends a run early, and the journal of it all.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use perfdeck_engine::{Engine, EngineOptions};
use perfdeck_testkit::{Answer, Postgres, ScriptedHttp, eventually};
use serde_json::{Value, json};
use sqlx::Connection as _;

async fn open(dir: &std::path::Path) -> Arc<Engine> {
    Engine::open(EngineOptions { data_dir: Some(dir.to_owned()), clock: None }).await.expect("the engine opens")
}

/// Runs a job to its end; an error is what refused it.
async fn job(engine: &Arc<Engine>, name: &str, params: Value) -> Result<Value, perfdeck_model::ApiError> {
    let job = engine.json(name, params).await?;
    let id = job["id"].as_str().expect("id").to_owned();
    let end = tokio::time::timeout(Duration::from_secs(60), engine.jobs().wait(&id)).await.expect("within a minute");
    Ok(serde_json::to_value(end.expect("known")).expect("json"))
}

async fn run_of(engine: &Arc<Engine>, job: &Value) -> Value {
    assert_eq!(job["state"], "done", "{job}");
    engine.json("run.get", json!({"id": job["result"]["id"]})).await.expect("stored")
}

async fn environment(engine: &Arc<Engine>, draft: Value) -> String {
    let made = engine.json("env.create", json!({"draft": draft})).await.expect("created");
    made["id"].as_str().expect("id").to_owned()
}

fn rate(url: &str, rate_per_s: f64, duration_s: f64) -> Value {
    json!({"kind": "http", "url": url, "load": {"kind": "rate", "rate_per_s": rate_per_s}, "connections": 4,
           "duration_s": duration_s, "warmup_s": 0.0})
}

/// The journal's entries, oldest first, as kind and text.
async fn journal(engine: &Arc<Engine>, id: &str) -> Vec<(String, String)> {
    let found = engine.json("journal.list", json!({"environment_id": id})).await.expect("the journal");
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    found.as_array().expect("a list").iter().rev().map(|e| (text(&e["kind"]), text(&e["text"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_look_like_production() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let database = Postgres::start().await.expect("PostgreSQL");
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let draft =
        |name: &str, guards: Value| json!({"name": name, "targets": {"database": database.url()}, "guards": guards});
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(database.connect().await.expect("a client"));
    }
    let id = environment(&engine, draft("copy", Value::Null)).await;
    let closed = json!({"kind": "http", "url": target.url(), "load": {"kind": "closed"}, "connections": 1,
                        "duration_s": 0.5, "warmup_s": 0.0});
    let asked = json!({"spec": closed, "environment_id": id});
    let preview = engine.json("bench.preview", asked.clone()).await.expect("a preview");
    assert_eq!(preview["evidence"], json!(["50 clients are connected to its database"]), "{preview}");
    assert_eq!(preview["confirm"], "copy", "its name is to be typed");
    let refused = job(&engine, "bench.start", asked).await.expect_err("a closed loop has no cap");
    assert!(refused.message.starts_with("'copy' looks like production (50 clients"), "{}", refused.message);
    let within = json!({"spec": rate(&target.url(), 100.0, 1.2), "environment_id": id});
    assert!(job(&engine, "bench.start", within.clone()).await.is_err(), "its name was not typed");
    let mut typed = within;
    typed["confirm"] = "copy".into();
    let done = job(&engine, "bench.start", typed).await.expect("with its name, and a rate, it may");
    let run = run_of(&engine, &done).await;
    assert_eq!(run["state"], "completed", "{run}");
    assert_eq!(target.requests(), 120, "nothing but this run sent anything");

    let entries = journal(&engine, &id).await;
    let kinds: Vec<&str> = entries.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["created", "load_refused", "load_refused", "load_started", "load_ended"], "{entries:?}");
    assert!(entries[3].1.contains("at 100/s on 127.0.0.1"), "where it went: {}", entries[3].1);
    assert!(entries[4].1.contains("120 requests, 0 failed"), "and what came of it: {}", entries[4].1);

    let mut free =
        serde_json::to_value(perfdeck_model::Guards::for_kind(perfdeck_model::Kind::Development)).expect("json");
    free["never_production"] = true.into();
    let id = environment(&engine, draft("laptop", free)).await;
    let preview = engine.json("bench.preview", json!({"spec": closed, "environment_id": id})).await.expect("a preview");
    assert_eq!((&preview["evidence"], &preview["guard"]), (&json!([]), &Value::Null), "who knows better can say so");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_before_it_takes_the_last_connections() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let database = Postgres::start_with(&[("max_connections", "20")]).await.expect("PostgreSQL");
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let id =
        environment(&engine, json!({"name": "live", "kind": "production", "targets": {"database": database.url()}}))
            .await;
    let asked = json!({"spec": rate(&target.url(), 50.0, 30.0), "environment_id": id, "confirm": "live"});
    let load = tokio::spawn({
        let engine = engine.clone();
        async move { job(&engine, "bench.start", asked).await }
    });
    eventually(Duration::from_secs(20), || async { (target.requests() > 10).then_some(()) }).await;
    // Others come: of 17 connections for clients without privileges, at most one is free then.
    let mut held = Vec::new();
    for _ in 0..15 {
        held.push(database.connect().await.expect("a client"));
    }
    let run = run_of(&engine, &load.await.expect("no panic").expect("it may begin")).await;
    assert_eq!(run["state"], "aborted", "{run}");
    let why = run["notes"][0].as_str().expect("a reason");
    assert!(why.contains("of 17 connections of the database are free; the guard keeps 10 %"), "{why}");
    assert!(run["duration_s"].as_f64().expect("seconds") < 10.0, "long before its 30 s: {}", run["duration_s"]);
    drop(held);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_its_target_fails() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let answered = AtomicU64::new(0);
    let target = ScriptedHttp::start(move |_| {
        let fine = answered.fetch_add(1, Ordering::Relaxed) < 100;
        if fine { Answer::ok("fine") } else { Answer::status(503, "no more") }
    })
    .await
    .expect("a server");
    let id = environment(&engine, json!({"name": "stage", "kind": "staging", "targets": {"api": target.url()}})).await;
    let asked = json!({"spec": rate(&target.url(), 100.0, 30.0), "environment_id": id});
    let run = run_of(&engine, &job(&engine, "bench.start", asked).await.expect("it may begin")).await;
    assert_eq!(run["state"], "aborted", "{run}");
    let why = run["notes"][0].as_str().expect("a reason");
    assert!(why.contains("requests failed within") && why.ends_with("the limit is 50 %"), "{why}");
    assert!(run["duration_s"].as_f64().expect("seconds") < 10.0, "long before its 30 s: {}", run["duration_s"]);
    assert!(run["errors"].as_u64().expect("a count") > 0, "what was measured so far is kept");
    let last = journal(&engine, &id).await.pop().expect("an entry");
    assert!(last.0 == "load_ended" && last.1.starts_with("ended early: ") && last.1.contains(why), "{last:?}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_is_what_one_side_shows_against_itself() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let side = |path: &str| json!({"label": "now", "spec": rate(&format!("{}/{path}", target.url()), 600.0, 0.5)});
    let duet = |b: &str| json!({"a": side("x"), "b": side(b), "pairs": 7, "rest_s": 0.0, "noise": true});
    let refused = job(&engine, "duet.start", duet("y")).await.expect_err("the sides differ");
    assert!(refused.message.contains("must be the same"), "{}", refused.message);
    let done = job(&engine, "duet.start", duet("x")).await.expect("it may");
    assert_eq!(done["state"], "done", "{done}");
    let id = done["result"]["id"].as_str().expect("id");
    let stored = engine.json("comparison.get", json!({"id": id})).await.expect("stored");
    assert_eq!(stored["name"], "Noise of now", "it says what it is");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_missing_keeps_nobody_from_loading_the_api() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let secret = json!({"kind": "env", "name": "PERFDECK_TEST_NO_SUCH_VARIABLE"});
    let targets = json!({"database": "postgres://reader@127.0.0.1:1/app", "database_password": secret});
    let id = environment(&engine, json!({"name": "half", "kind": "staging", "targets": targets})).await;
    let asked = json!({"spec": rate(&target.url(), 100.0, 1.2), "environment_id": id});
    let preview = engine.json("bench.preview", asked.clone()).await.expect("a preview");
    assert_eq!(preview["evidence"], json!([]), "a target that cannot be asked gives no evidence");
    let run = run_of(&engine, &job(&engine, "bench.start", asked).await.expect("it may begin")).await;
    assert_eq!(run["requests"], 120, "{run}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_duet_are_confirmed_by_their_own_names() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let mut sides = Vec::new();
    let mut guards =
        serde_json::to_value(perfdeck_model::Guards::for_kind(perfdeck_model::Kind::Production)).expect("json");
    guards["max_rate_per_s"] = 1_000.into();
    for name in ["blue", "green"] {
        let draft = json!({"name": name, "kind": "production", "targets": {"api": target.url()}, "guards": guards});
        let id = environment(&engine, draft).await;
        sides.push(json!({"label": name, "environment_id": id, "spec": rate(&target.url(), 800.0, 0.3)}));
    }
    let duet =
        |typed: &[&str]| json!({"a": sides[0], "b": sides[1], "pairs": 7, "seed": 1, "rest_s": 0.0, "confirm": typed});
    for (typed, missing) in [(&[][..], "blue"), (&["blue"], "green"), (&["green"], "blue")] {
        let refused = job(&engine, "duet.start", duet(typed)).await.expect_err("a name is missing");
        assert_eq!(refused.message, format!("Load on '{missing}' needs its name typed"), "{typed:?}");
    }
    assert_eq!(target.requests(), 0, "nothing was sent");
    let done = job(&engine, "duet.start", duet(&["green", "blue"])).await.expect("both were typed");
    assert_eq!(done["state"], "done", "{done}");
    // A busy machine may end the pairs early; that load was sent at all is the question here.
    assert!(target.requests() >= 180, "load was sent: {}", target.requests());
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_journaled_is_not_sent() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let asked = json!({"spec": rate(&target.url(), 400.0, 0.3)});
    let run = run_of(&engine, &job(&engine, "bench.start", asked.clone()).await.expect("it may begin")).await;
    assert_eq!((&run["requests"], target.requests()), (&json!(120), 120), "with its journal it runs");
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("perfdeck.db"));
    let mut store = sqlx::SqliteConnection::connect_with(&file).await.expect("the store");
    sqlx::query("DROP TABLE journal").execute(&mut store).await.expect("the journal is gone");
    let end = job(&engine, "bench.start", asked).await.expect("the guards have nothing against it");
    assert_eq!(end["state"], "failed", "{end}");
    assert_eq!(target.requests(), 120, "not one more request");
    engine.shutdown().await;
}

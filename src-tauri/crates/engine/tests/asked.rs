//! What the window asks of a benchmark: statements and commands by a few values, what it can tell before it runs, and what
//! is known while it does. Against real servers.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::{Engine, EngineOptions};
use perfdeck_testkit::{Answer, Postgres, Redis, ScriptedHttp, eventually};
use serde_json::{Value, json};

async fn open(dir: &std::path::Path) -> Arc<Engine> {
    Engine::open(EngineOptions { data_dir: Some(dir.to_owned()), clock: None }).await.expect("the engine opens")
}

async fn environment(engine: &Arc<Engine>, draft: Value) -> String {
    let made = engine.json("env.create", json!({"draft": draft})).await.expect("created");
    made["id"].as_str().expect("id").to_owned()
}

async fn ended(engine: &Arc<Engine>, job: &Value) -> Value {
    let id = job["id"].as_str().expect("id").to_owned();
    let end = tokio::time::timeout(Duration::from_secs(60), engine.jobs().wait(&id)).await.expect("within a minute");
    serde_json::to_value(end.expect("known")).expect("json")
}

/// Runs a benchmark to its end and answers its run.
async fn run(engine: &Arc<Engine>, request: Value) -> Value {
    let job = engine.json("bench.start", request).await.expect("it may begin");
    let end = ended(engine, &job).await;
    engine.json("run.get", json!({"id": end["result"]["id"]})).await.unwrap_or_else(|e| panic!("{e:?}: {end}"))
}

fn pace() -> Value {
    json!({"connections": 2, "rate_per_s": 400.0, "poisson": false, "late_limit_s": null, "threads": null,
           "duration_s": 0.5, "warmup_s": 0.0, "timeout_s": 5.0, "seed": 1, "thresholds": ["p50 < 1s"]})
}

fn http(url: &str, rate_per_s: f64, duration_s: f64) -> Value {
    json!({"kind": "http", "url": url, "load": {"kind": "rate", "rate_per_s": rate_per_s}, "connections": 4,
           "duration_s": duration_s, "warmup_s": 0.0})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_and_commands_run_by_their_values_and_are_read_back() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let (database, cache) = (Postgres::start().await.expect("PostgreSQL"), Redis::start().await.expect("Redis"));
    database.execute("CREATE TABLE orders AS SELECT generate_series(1, 500) id, 0 n").await.expect("rows");
    let targets = json!({"database": database.url(), "cache": cache.url()});
    let id = environment(&engine, json!({"name": "shop", "kind": "development", "targets": targets})).await;

    let drawn = json!([{"kind": "uniform", "from": 1, "to": 500}, {"kind": "null"}, {"kind": "text", "text": "a"}]);
    let sql = json!({"kind": "sql", "statement": "SELECT n FROM orders WHERE id = $1 AND $2::int IS NULL AND $3 = 'a'",
                     "script": null, "parameters": drawn, "transaction": false, "prepared": true, "pace": pace()});
    let done = run(&engine, json!({"spec": sql, "environment_id": id})).await;
    assert_eq!((&done["errors"], &done["requests"]), (&json!(0), &json!(200)), "{done}");
    assert_eq!(done["thresholds"][0]["ok"], true, "{done}");
    let read = engine.json("plan.form", json!({"text": done["spec"]["toml"]})).await.expect("a plan");
    assert_eq!(read["parameters"][0], sql["parameters"][0], "what was drawn: {read}");
    assert_eq!((&read["kind"], &read["pace"]), (&json!("sql"), &pace()), "as it was asked for");

    let mix = json!([{"command": "GET", "weight": 3.0}, {"command": "SET", "weight": 1.0}]);
    let commands = json!({"kind": "cache", "mix": mix, "prefix": "perfdeck:bench:", "keys": 50, "zipf": 0.9,
                          "value_size": 20, "pipeline": 2, "pace": pace()});
    let done = run(&engine, json!({"spec": commands, "environment_id": id})).await;
    assert_eq!(done["errors"], 0, "{done}");
    let read = engine.json("plan.form", json!({"text": done["spec"]["toml"]})).await.expect("a plan");
    assert_eq!(read, commands, "also its value, which is nothing but a length");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_writes_is_guarded_however_it_is_asked_for() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let (database, cache) = (Postgres::start().await.expect("PostgreSQL"), Redis::start().await.expect("Redis"));
    database.execute("CREATE TABLE orders AS SELECT 1 id, 0 n").await.expect("a row");
    let targets = json!({"database": database.url(), "cache": cache.url()});
    let id = environment(&engine, json!({"name": "live", "kind": "production", "targets": targets})).await;
    let sql = |statement: &str| {
        json!({"kind": "sql", "statement": statement, "script": null, "parameters": [], "transaction": false,
               "prepared": true, "pace": pace()})
    };
    let cache = |command: &str| {
        json!({"kind": "cache", "mix": [{"command": command, "weight": 1.0}], "prefix": "k:", "keys": 5, "zipf": null,
               "value_size": 5, "pipeline": 1, "pace": pace()})
    };
    for (spec, writes) in [
        (sql("UPDATE orders SET n = n + 1"), true),
        (sql("SELECT n FROM orders"), false),
        (cache("SET"), true),
        (cache("GET"), false),
    ] {
        let asked = json!({"spec": spec, "environment_id": id, "confirm": "live"});
        let preview = engine.json("bench.preview", asked.clone()).await.expect("a preview");
        let guard = preview["guard"].as_str().unwrap_or_default();
        assert_eq!(guard.contains("read-only"), writes, "{spec}: {preview}");
        assert_eq!(preview["confirm"], "live", "its name is to be typed: {preview}");
        if writes {
            let refused = engine.json("bench.start", asked).await.expect_err("it writes");
            assert!(refused.message.contains("read-only"), "{}", refused.message);
        }
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_can_tell_is_said_before_its_first_request() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let side = |path: &str, rate_per_s: f64| json!({"label": path, "spec": http(&format!("{}/{path}", target.url()), rate_per_s, 3.0)});
    let asked = json!({"spec": http(&target.url(), 100.0, 10.0)});
    let preview = engine.json("bench.preview", asked).await.expect("a preview");
    let tells = preview["tells"].as_str().unwrap_or_default().replace(['\u{2009}', '\u{202f}'], " ");
    assert_eq!(tells, "1 000 requests: up to p90; p99 needs 10 000, 1 min 40 s at 100/s");
    for (b, rate_per_s, refused) in [
        ("b", 1_000.0, Some("The two sides are not comparable: request GET /a in A, GET /b in B")),
        ("a", 60.0, Some("p50 of a run of a pair needs 200")),
        ("a", 1_000.0, None),
    ] {
        let duet = json!({"a": side("a", rate_per_s), "b": side(b, rate_per_s), "pairs": 6});
        let preview = engine.json("duet.preview", duet.clone()).await.expect("a preview");
        let problem = preview["problem"].as_str();
        assert!(problem.is_some() == refused.is_some(), "{preview}");
        if let Some(words) = refused {
            let problem = problem.unwrap_or_default();
            let first = words.split(':').next().unwrap_or_default();
            assert!(problem.contains(first), "{problem}");
            let error = engine.json("duet.start", duet).await.expect_err("so it is refused");
            assert!(problem.starts_with(&error.message), "by the same rule: {problem} / {}", error.message);
        } else {
            assert!(preview["decides"].as_str().is_some_and(|d| d.starts_with("p50")), "{preview}");
        }
    }
    assert_eq!(target.requests(), 0, "nothing was sent");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_duet_says_its_pair_its_side_and_the_effect_so_far() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let (slow, fast) = (
        ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server"),
        ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server"),
    );
    let side = |label: &str, url: &str| json!({"label": label, "spec": http(url, 800.0, 0.4)});
    let duet = json!({"a": side("before", &slow.url()), "b": side("after", &fast.url()), "pairs": 6, "rest_s": 0.2});
    let job = engine.json("duet.start", duet).await.expect("it may");
    let seen = eventually(Duration::from_secs(30), || {
        let now = engine.json("bench.running", json!({}));
        let (slow, fast) = (slow.url(), fast.url());
        async move {
            let now = now.await.expect("an answer");
            let part = now["part"].clone();
            if !part.is_null() && part["resting"] == false {
                let url = now["spec"]["url"].as_str().unwrap_or_default().to_owned();
                let own = if part["side"] == "a" { slow } else { fast };
                assert!(own.starts_with(url.trim_end_matches('/')), "the address of the side that runs: {url} {part}");
            }
            (part["complete"].as_u64() >= Some(2)).then_some(part)
        }
    })
    .await;
    assert_eq!((&seen["kind"], &seen["pairs"]), (&json!("duet"), &json!(6)), "{seen}");
    assert_eq!((&seen["label_a"], &seen["label_b"]), (&json!("before"), &json!("after")), "{seen}");
    let p50 = &seen["so_far"][0];
    assert!(p50["primary"] == true && p50["effect"].is_number(), "the effect so far: {seen}");
    let refused =
        engine.json("bench.start", json!({"spec": http(&slow.url(), 800.0, 0.4)})).await.expect_err("one runs");
    assert_eq!(refused.remedy, Some(perfdeck_model::Remedy::ShowBenchmark), "it can be shown: {refused:?}");
    assert_eq!(
        engine.json("job.cancel", json!({"id": job["id"]})).await.expect("asked"),
        json!(true),
        "it can be stopped"
    );
    let end = ended(&engine, &job).await;
    assert_eq!(end["state"], "cancelled", "{end}");
    assert_eq!(engine.json("bench.running", json!({})).await.expect("an answer"), Value::Null, "none runs any more");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_search_says_its_step_and_the_steps_so_far() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let knee = json!({"spec": http(&target.url(), 100.0, 1.0), "slo": "p50<5s", "max_connections": 4, "step_s": 0.3,
                      "confirm_s": 0.3});
    let job = engine.json("knee.start", knee).await.expect("it may");
    let seen = eventually(Duration::from_secs(30), || {
        let now = engine.json("bench.running", json!({}));
        async move {
            let part = now.await.expect("an answer")["part"].clone();
            let steps = part["so_far"]["points"].as_array().map_or(0, Vec::len);
            (steps >= 1).then_some(part)
        }
    })
    .await;
    assert_eq!((&seen["kind"], &seen["slo"]), (&json!("knee"), &json!("p50<5s")), "{seen}");
    assert!(seen["connections"].as_u64() >= Some(2), "the step after the first: {seen}");
    let end = ended(&engine, &job).await;
    let runs = engine.json("run.list", json!({})).await.expect("runs");
    let runs = runs.as_array().expect("a list");
    let part = |run: &Value| (run["part_of"]["kind"].clone(), run["part_of"]["id"].clone());
    assert!(runs.len() > 2, "{runs:?}");
    for run in runs {
        assert_eq!(part(run), (json!("knee"), end["result"]["id"].clone()), "a step says which search it is of");
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_made_as_it_was_edited_with_the_secrets_of_the_targets_that_stay() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let targets = json!({"database": "postgres://reader@127.0.0.1:1/app", "cache": "redis://127.0.0.1:1/0",
                         "database_password": {"kind": "env", "name": "SHOP_DATABASE_PASSWORD"},
                         "cache_password": {"kind": "env", "name": "SHOP_CACHE_PASSWORD"}});
    let id = environment(&engine, json!({"name": "shop", "kind": "development", "targets": targets})).await;
    let mut draft = engine.json("env.draft", json!({"id": id})).await.expect("a draft");
    draft["name"] = json!("shop");
    let asked = |draft: &Value| json!({"id": id, "name": null, "draft": draft});
    engine.json("env.duplicate", asked(&draft)).await.expect_err("the name is taken");
    draft["name"] = json!("shop staging");
    draft["kind"] = json!("staging");
    draft["targets"]["cache"] = json!("redis://127.0.0.1:2/0");
    let made = engine.json("env.duplicate", asked(&draft)).await.expect("a copy");
    assert_eq!((&made["name"], &made["kind"]), (&json!("shop staging"), &json!("staging")), "{made}");
    let of = |role: &str| made["targets"][role]["password"].to_string();
    assert!(of("database").contains("SHOP_DATABASE_PASSWORD"), "the same target keeps its secret: {made}");
    assert!(!of("cache").contains("SHOP_CACHE_PASSWORD"), "another one never gets it: {made}");
    let all = engine.json("env.list", json!({})).await.expect("environments");
    let names = all.as_array().expect("a list").iter().filter(|e| e["demo"] == false).count();
    assert_eq!(names, 2, "a copy that was refused is not there: {all}");
    engine.shutdown().await;
}

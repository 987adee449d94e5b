//! What keeps two runs from being compared: what the targets were before them, against a real server.

use std::sync::Arc;

use crate::support::{benchmark, http, measure, run_of};
use perfdeck_engine::Engine;
use perfdeck_engine::bench::{self, ComparePair};
use perfdeck_model::{Kind, Load, Run, TargetsDraft};
use perfdeck_testkit::{Answer, Postgres, ScriptedHttp};

/// Runs a benchmark to its end and answers its run.
async fn run(engine: &Arc<Engine>, url: &str, environment: &str) -> Run {
    let spec = http(url, Load::Rate { rate_per_s: 400.0 }, 4, 0.5);
    let end = measure(engine, benchmark(spec, Some(environment))).await.expect("it may");
    run_of(engine, &end).await
}

async fn differences(engine: &Arc<Engine>, a: &Run, b: &Run, changed: &[&str]) -> (Vec<String>, Vec<String>) {
    let changed = changed.iter().map(|fact| (*fact).to_owned()).collect();
    let pair = ComparePair { a: a.id.clone(), b: b.id.clone(), changed };
    let found = bench::compare_runs(engine.clone(), pair).await.expect("a comparison").comparison;
    (found.differences, found.notes)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_setting_or_other_data_is_another_target() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = crate::support::open(dir.path()).await;
    let api = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let database = Postgres::start().await.expect("PostgreSQL");
    let targets = TargetsDraft { database: Some(database.url()), ..crate::support::api(api.url()) };
    let id = crate::support::environment(&engine, crate::support::draft("shop", Kind::Development, targets)).await;

    let (first, second) = (run(&engine, &api.url(), &id).await, run(&engine, &api.url(), &id).await);
    let version = first.facts.get("version.database").map_or("", String::as_str);
    assert!(version.starts_with("PostgreSQL "), "a run knows what it measured: {:?}", first.facts);
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

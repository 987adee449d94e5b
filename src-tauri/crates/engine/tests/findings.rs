//! The order of findings over real targets: what is broken stands above what only costs.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::{Engine, EngineOptions};
use perfdeck_model::Watching;
use perfdeck_testkit::{Answer, Redis, ScriptedHttp, eventually, free_port};
use serde_json::{Value, json};

/// What is found in an environment, as kind, target and evidence, once `kind` is among it.
async fn found(engine: &Arc<Engine>, id: &str, kinds: &[&str]) -> Vec<Value> {
    eventually(Duration::from_secs(15), async || {
        let list = engine.json("findings.list", json!({"environment_id": id})).await.expect("findings");
        let list = list.as_array().expect("a list").clone();
        let all = kinds.iter().all(|kind| list.iter().any(|f| f["kind"] == *kind));
        if all { Ok(list) } else { Err(list) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_stands_above_what_only_costs() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine =
        Engine::open(EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None }).await.expect("opens");
    // Keys that never expire cost, and break nothing.
    let cache = Redis::start().await.expect("Redis");
    for n in 0..40 {
        cache.execute(&["SET", &format!("session:{n}"), "x"]).await.expect("a key");
    }
    let api = ScriptedHttp::start(|_| Answer::status(503, "no")).await.expect("an API that fails");
    let gone = free_port().expect("a port");
    let environment = async |name: &str, database: Option<String>| {
        let targets = json!({"api": api.url(), "cache": cache.url(), "database": database});
        let draft = json!({"name": name, "targets": targets});
        let made = engine.json("env.create", json!({"draft": draft})).await.expect("created");
        made["id"].as_str().expect("id").to_owned()
    };
    let failing = environment("failing", None).await;
    let down = environment("down", Some(format!("postgres://u@127.0.0.1:{gone}/app"))).await;
    let (mut first, mut second) =
        tokio::join!(async { engine.watch(Watching::everything(Some(&failing))).await.expect("watched") }, async {
            engine.watch(Watching::everything(Some(&down))).await.expect("watched")
        });
    // Somebody looks at both, as a window does.
    let looking = async {
        loop {
            tokio::select! { _ = first.next() => {}, _ = second.next() => {} }
        }
    };
    let asked = async {
        let kinds = ["api_failing", "keys_without_expiry"];
        let list = found(&engine, &failing, &kinds).await;
        let order: Vec<&str> = list.iter().filter_map(|f| f["kind"].as_str()).collect();
        assert_eq!(order, kinds, "a failing API comes first: {list:?}");
        assert_eq!(list[0]["target"], "api", "{list:?}");
        let evidence = list[0]["evidence"].as_str().expect("evidence");
        assert!(evidence.contains("probes in a row failed") && evidence.ends_with("with status 503"), "{evidence}");

        let targets = engine.json("monitor.targets", json!({"environment_id": failing})).await.expect("targets");
        let band = targets.as_array().expect("a list").iter().find(|t| t["role"] == "api").expect("its band");
        assert_eq!(band["state"], "up", "something is there: {band}");
        let told = band["error"]["message"].as_str().expect("what its band says");
        assert!(told.ends_with("answers the probe with status 503"), "and it fails: {band}");

        let kinds = ["target_down", "api_failing", "keys_without_expiry"];
        let list = found(&engine, &down, &kinds).await;
        let order: Vec<&str> = list.iter().filter_map(|f| f["kind"].as_str()).collect();
        assert_eq!(order, kinds, "a target that is gone, then one that fails, then what costs: {list:?}");
        assert!(list[0]["evidence"].as_str().is_some_and(|e| e.contains(&gone.to_string())), "{list:?}");
    };
    tokio::select! { () = looking => {}, () = asked => {} }
    engine.shutdown().await;
}

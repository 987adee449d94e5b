//! Findings over real targets: what is broken stands above what only costs, and each has its proof.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::{Engine, EngineOptions};
use perfdeck_model::Watching;
use perfdeck_testkit::{Answer, Postgres, Redis, ScriptedHttp, eventually, free_port};
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
        assert_eq!(evidence, "each probe is answered with status 503");
        let proof = &list[0]["proof"];
        assert!(proof["since_ms"].as_f64().is_some_and(|ms| ms > 0.0), "since when: {proof}");
        assert!(!proof["rule"].as_str().expect("a rule").is_empty(), "and by which rule: {proof}");

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
        assert_eq!(list[0]["proof"]["steps"][0]["opens"]["what"], "environment", "where its connection is tested");
        let keys = &list[2]["proof"];
        assert_eq!(keys["statements"][0]["text"], "INFO keyspace", "the exact command: {keys}");
        let opens = &keys["steps"][0]["opens"];
        assert_eq!(opens, &json!({"what": "keys", "pattern": "session:*"}), "what is measured next: {keys}");
    };
    tokio::select! { () = looking => {}, () = asked => {} }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_sees_no_sessions_is_told_so_with_the_grant_until_it_is_granted() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine =
        Engine::open(EngineOptions { data_dir: Some(dir.path().to_owned()), clock: None }).await.expect("opens");
    let server = Postgres::start().await.expect("PostgreSQL");
    server.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'").await.expect("a role");
    // What is hidden: the owner's own sessions.
    let _somebody = server.connect().await.expect("a session");
    let url = format!("postgres://reader:reader@127.0.0.1:{}/app", server.port());
    let draft = json!({"name": "small", "targets": {"database": url}});
    let made = engine.json("env.create", json!({"draft": draft})).await.expect("created");
    let id = made["id"].as_str().expect("id").to_owned();
    let mut viewer = engine.watch(Watching::everything(Some(&id))).await.expect("watched");
    let looking = async { while viewer.next().await.is_some() {} };
    let asked = async {
        let list = found(&engine, &id, &["sessions_hidden"]).await;
        let first = &list[0];
        assert!(
            first["title"].as_str().is_some_and(|t| t.contains("its statement") || t.contains("their statement")),
            "{first}"
        );
        assert_eq!(first["proof"]["statements"][0]["text"], "GRANT pg_monitor TO \"reader\";", "{first}");
        let targets = engine.json("monitor.targets", json!({"environment_id": id})).await.expect("targets");
        assert!(targets[0]["first_sample_ms"].as_f64().is_some(), "observed since its first sample: {targets}");
        server.execute("GRANT pg_monitor TO reader").await.expect("granted");
        eventually(Duration::from_secs(10), async || {
            let list = engine.json("findings.list", json!({"environment_id": id})).await.expect("findings");
            let hidden = list.as_array().is_some_and(|l| l.iter().any(|f| f["kind"] == "sessions_hidden"));
            if hidden { Err(list) } else { Ok(()) }
        })
        .await;
    };
    tokio::select! { () = looking => {}, () = asked => {} }
    engine.shutdown().await;
}

//! The order of findings over real targets: what is broken stands above what only costs.
mod support;

use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::{Engine, monitoring};
use perfdeck_model::{Finding, Kind, TargetRole, TargetState, TargetsDraft, Watching};
use perfdeck_testkit::{Answer, Redis, ScriptedHttp, eventually, free_port};
use support::by_environment;

/// What is found in an environment, once these kinds are among it.
async fn found(engine: &Arc<Engine>, id: &str, kinds: &[&str]) -> Vec<Finding> {
    eventually(Duration::from_secs(15), async || {
        let list = monitoring::findings_list(engine.clone(), by_environment(id)).await.expect("findings");
        let all = kinds.iter().all(|kind| list.iter().any(|f| f.kind == *kind));
        if all { Ok(list) } else { Err(list) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_stands_above_what_only_costs() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = support::open(dir.path()).await;
    // Keys that never expire cost, and break nothing.
    let cache = Redis::start().await.expect("Redis");
    for n in 0..40 {
        cache.execute(&["SET", &format!("session:{n}"), "x"]).await.expect("a key");
    }
    let api = ScriptedHttp::start(|_| Answer::status(503, "no")).await.expect("an API that fails");
    let gone = free_port().expect("a port");
    let environment = async |name: &str, database: Option<String>| {
        let targets =
            TargetsDraft { api: Some(api.url()), cache: Some(cache.url()), database, ..TargetsDraft::default() };
        support::environment(&engine, support::draft(name, Kind::Development, targets)).await
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
        let order: Vec<&str> = list.iter().map(|f| f.kind.as_str()).collect();
        assert_eq!(order, kinds, "a failing API comes first: {list:?}");
        assert_eq!(list[0].target, TargetRole::Api, "{list:?}");
        let evidence = &list[0].evidence;
        assert!(evidence.contains("probes in a row failed") && evidence.ends_with("with status 503"), "{evidence}");

        let targets = monitoring::targets(engine.clone(), by_environment(&failing)).await.expect("targets");
        let band = targets.iter().find(|t| t.role == TargetRole::Api).expect("its band");
        assert_eq!(band.state, TargetState::Up, "something is there: {band:?}");
        let told = band.error.as_ref().expect("what its band says");
        assert!(told.message.ends_with("answers the probe with status 503"), "and it fails: {band:?}");

        let kinds = ["target_down", "api_failing", "keys_without_expiry"];
        let list = found(&engine, &down, &kinds).await;
        let order: Vec<&str> = list.iter().map(|f| f.kind.as_str()).collect();
        assert_eq!(order, kinds, "a target that is gone, then one that fails, then what costs: {list:?}");
        assert!(list[0].evidence.contains(&gone.to_string()), "{list:?}");
    };
    tokio::select! { () = looking => {}, () = asked => {} }
    engine.shutdown().await;
}

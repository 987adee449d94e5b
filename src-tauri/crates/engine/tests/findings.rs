//! Findings over real targets: what is broken stands above what only costs, and each has its proof.

use std::sync::Arc;
use std::time::Duration;

use crate::support::by_environment;
use perfdeck_engine::{Engine, monitoring};
use perfdeck_model::{Finding, FindingTarget, Kind, TargetRole, TargetState, TargetsDraft, Watching};
use perfdeck_testkit::{Answer, Postgres, Redis, ScriptedHttp, eventually, free_port};

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
    let engine = crate::support::open(dir.path()).await;
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
        crate::support::environment(&engine, crate::support::draft(name, Kind::Development, targets)).await
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
        assert_eq!(evidence, "each probe is answered with status 503");
        let proof = &list[0].proof;
        assert!(proof.since_ms.is_some_and(|ms| ms > 0.0), "since when: {proof:?}");
        assert!(!proof.rule.is_empty() && !proof.advice.is_empty(), "by which rule, and what to do: {proof:?}");

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
        assert_eq!(list[0].proof.steps[0].opens, FindingTarget::Environment, "where its connection is tested");
        let keys = &list[2].proof;
        assert_eq!(keys.statements[0].text, "INFO keyspace", "the exact command: {keys:?}");
        let pattern = FindingTarget::Keys { pattern: "session:*".to_owned() };
        assert_eq!(keys.steps[0].opens, pattern, "what is measured next: {keys:?}");
    };
    tokio::select! { () = looking => {}, () = asked => {} }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_sees_no_sessions_is_told_so_with_the_grant_until_it_is_granted() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = crate::support::open(dir.path()).await;
    let server = Postgres::start().await.expect("PostgreSQL");
    server.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'").await.expect("a role");
    // What is hidden: the owner's own sessions.
    let _somebody = server.connect().await.expect("a session");
    let url = format!("postgres://reader:reader@127.0.0.1:{}/app", server.port());
    let draft = crate::support::draft("small", Kind::Development, crate::support::database(url));
    let id = crate::support::environment(&engine, draft).await;
    let mut viewer = engine.watch(Watching::everything(Some(&id))).await.expect("watched");
    let looking = async { while viewer.next().await.is_some() {} };
    let asked = async {
        let list = found(&engine, &id, &["sessions_hidden"]).await;
        let first = &list[0];
        assert!(first.is_of_state() && first.title.contains("statement"), "{first:?}");
        assert_eq!(first.proof.statements[0].text, "GRANT pg_monitor TO \"reader\";", "{first:?}");
        let targets = monitoring::targets(engine.clone(), by_environment(&id)).await.expect("targets");
        assert!(targets[0].first_sample_ms.is_some(), "observed since its first sample: {targets:?}");
        server.execute("GRANT pg_monitor TO reader").await.expect("granted");
        eventually(Duration::from_secs(10), async || {
            let list = monitoring::findings_list(engine.clone(), by_environment(&id)).await.expect("findings");
            if list.iter().any(|f| f.kind == "sessions_hidden") { Err(list) } else { Ok(()) }
        })
        .await;
    };
    tokio::select! { () = looking => {}, () = asked => {} }
    engine.shutdown().await;
}

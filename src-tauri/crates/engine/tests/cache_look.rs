//! What a cache tells of itself, as a face asks for it.
use std::time::Duration;

use perfdeck_engine::cache_look::{self, CacheHeatRequest};
use perfdeck_model::{CacheHeatMethod, CheckState, ErrorCode, JobState, Kind, Remedy};
use perfdeck_testkit::{Redis, eventually};

use crate::support::{by_environment, cache, draft, ended, environment, open};

#[tokio::test(flavor = "multi_thread")]
async fn watching_commands_is_guarded_and_readers_are_kept() {
    let server =
        Redis::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lfu"]).await.expect("Redis");
    server.execute(&["SET", "session:1", "x", "EX", "60"]).await.expect("set");
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    let id = environment(&engine, draft("live", Kind::Production, cache(server.url()))).await;
    let look = || cache_look::cache_look(engine.clone(), by_environment(&id));
    assert_eq!(look().await.expect("a look").keys, 1);
    // The reader is kept, so that a later look has rates.
    eventually(Duration::from_secs(10), async || look().await.expect("a look").recent.is_some()).await;
    let health = cache_look::cache_health(engine.clone(), by_environment(&id)).await.expect("its health");
    assert_eq!(health.state, CheckState::Ok, "{health:#?}");

    let asked = |method| CacheHeatRequest { environment_id: id.clone(), method, seconds: Some(0.2) };
    let refused =
        cache_look::cache_measure_heat(engine.clone(), asked(CacheHeatMethod::Monitor)).await.expect_err("production");
    assert_eq!((refused.code, refused.remedy), (ErrorCode::Guarded, Some(Remedy::Unlock)), "{refused:?}");
    let job = cache_look::cache_measure_heat(engine.clone(), asked(CacheHeatMethod::Lfu))
        .await
        .expect("counters are no load");
    assert_eq!(ended(&engine, &job).await.state, JobState::Done);
    engine.unlock_for_run(&id, Some("live")).await.expect("unlocked");
    let job = cache_look::cache_measure_heat(engine.clone(), asked(CacheHeatMethod::Monitor)).await.expect("unlocked");
    assert_eq!(ended(&engine, &job).await.state, JobState::Done);
    let heat = cache_look::cache_heat(engine.clone(), by_environment(&id)).await.expect("answers").expect("measured");
    assert_eq!(heat.method, CacheHeatMethod::Monitor, "the last one");
    engine.shutdown().await;
}

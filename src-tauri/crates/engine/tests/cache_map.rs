//! Maps of caches as jobs.
use std::time::Duration;

use perfdeck_engine::cache_map::{
    CacheMapControl, CacheMapOrder, CacheMapPart, CacheMapRequest, cache_map, cache_map_control, cache_map_state,
};
use perfdeck_model::{
    DEMO_ENVIRONMENT_ID, ErrorCode, JobResult, JobState, Kind, MapCount, MapDetail, MapOrder, MapState,
};
use perfdeck_testkit::{Redis, eventually};

use crate::support;

fn part(environment_id: &str, path: &str) -> CacheMapPart {
    CacheMapPart { environment_id: environment_id.into(), path: path.into(), ..CacheMapPart::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_is_a_job_that_is_read_page_by_page_and_can_be_held_and_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = support::open(folder.path()).await;
    let server = Redis::start_with(&["--enable-debug-command", "yes"]).await.expect("Redis");
    server.execute(&["DEBUG", "POPULATE", "30000", "user"]).await.expect("filled");
    server.execute(&["MSET", "config:a", "1", "config:b", "2"]).await.expect("set");
    let draft = support::draft("shop", Kind::Production, support::cache(server.url()));
    let id = support::environment(&engine, draft).await;
    assert_eq!(cache_map_state(engine.clone(), part(&id, "")).await, Ok(None), "none was made");

    let asked = CacheMapRequest {
        environment_id: id.clone(),
        detail: MapDetail::Exact,
        no_pace: true,
        ..CacheMapRequest::default()
    };
    let job = cache_map(engine.clone(), asked.clone()).await.expect("it starts");
    let end = support::ended(&engine, &job).await;
    assert!(matches!((end.state, &end.result), (JobState::Done, Some(JobResult::CacheMap(_)))), "{end:?}");
    let page = cache_map_state(engine.clone(), part("shop", "")).await.expect("it answers").expect("there is one");
    assert_eq!(
        (page.map.state, page.map.exact, &page.map.job_id),
        (MapState::Finished, true, &job.id),
        "{:?}",
        page.map
    );
    let names: Vec<&str> = page.namespaces.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["user:*", "config:*"], "most memory first");
    assert_eq!(page.namespaces[0].keys, MapCount::Exact { value: 30_000.0 }, "counted");
    let inside = CacheMapPart { order: MapOrder::Name, ..part(&id, &page.namespaces[1].path) };
    let inside = cache_map_state(engine.clone(), inside).await.expect("it answers").expect("a map");
    let names: Vec<&str> = inside.namespaces.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["config:a", "config:b"], "what is inside");
    assert_eq!(inside.within.last().map(|n| n.name.as_str()), Some("config:*"), "and where that is");
    let gone = cache_map_state(engine.clone(), part(&id, "6c0001")).await.expect_err("a path of nothing");
    assert_eq!(gone.code, ErrorCode::NotFound, "{gone}");

    // Held by its pace.
    let asked = CacheMapRequest { no_pace: false, ..asked };
    let job = cache_map(engine.clone(), asked.clone()).await.expect("it starts");
    assert_eq!(cache_map(engine.clone(), asked.clone()).await.expect("the same").id, job.id, "one is enough");
    let order = async |order| {
        let control = CacheMapControl { environment_id: id.clone(), order };
        cache_map_control(engine.clone(), control).await.expect("it is taken").expect("there is one")
    };
    let read = async || {
        cache_map_state(engine.clone(), part(&id, "")).await.ok().flatten().is_some_and(|p| p.map.keys_read > 0.0)
    };
    eventually(Duration::from_secs(20), read).await;
    assert_eq!(order(CacheMapOrder::Pause).await.state, MapState::Paused, "it waits");
    assert!(order(CacheMapOrder::Gentler).await.pace.cpu_limit < 0.06, "gentler");
    assert_eq!(order(CacheMapOrder::Resume).await.state, MapState::Running, "it goes on");
    assert!(engine.jobs().cancel(&job.id), "it can be stopped");
    assert_eq!(support::ended(&engine, &job).await.state, JobState::Cancelled, "and says so");
    let kept = cache_map_state(engine.clone(), part(&id, "")).await.expect("it answers").expect("it is kept");
    assert_eq!((kept.map.state, kept.map.exact), (MapState::Unfinished, false), "unfinished: {:?}", kept.map);
    assert!(kept.map.keys_read > 0.0 && !kept.namespaces.is_empty(), "with what was read");
    let bad = CacheMapRequest { delimiters: Some("abc".into()), ..asked };
    assert_eq!(cache_map(engine.clone(), bad).await.expect_err("letters").code, ErrorCode::BadRequest, "refused");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_has_a_map_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = support::open(folder.path()).await;
    let asked = CacheMapRequest { environment_id: DEMO_ENVIRONMENT_ID.into(), ..CacheMapRequest::default() };
    let job = cache_map(engine.clone(), asked).await.expect("it starts");
    assert_eq!(support::ended(&engine, &job).await.state, JobState::Done, "it is made");
    let page =
        cache_map_state(engine.clone(), part(DEMO_ENVIRONMENT_ID, "")).await.expect("it answers").expect("a map");
    assert_eq!((page.map.state, page.map.exact), (MapState::Finished, true), "{:?}", page.map);
    assert!(
        page.map.notes.iter().any(|note| note.contains("own accounting")),
        "what it lacks is said: {:?}",
        page.map.notes
    );
    engine.shutdown().await;
}

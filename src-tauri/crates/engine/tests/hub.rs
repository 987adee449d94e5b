//! Viewers of a real engine over real targets: what is watched, how long, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{benchmark, by_environment, by_id, cache, http, open};
use perfdeck_engine::bench::{self, RunList};
use perfdeck_engine::environments::{self, EnvUpdate};
use perfdeck_engine::{Engine, SHUTDOWN, Viewer, monitoring};
use perfdeck_model::{
    BenchPhase, EnvironmentDraft, ErrorCode, Frame, Kind, Load, Part, RunState, TargetStatus, TargetsDraft, Topic,
    Watching,
};
use perfdeck_testkit::{Answer, Redis, ScriptedHttp, eventually};

/// Longest time for anything.
const DEADLINE: Duration = Duration::from_secs(20);

async fn environment(engine: &Arc<Engine>, name: &str, targets: TargetsDraft) -> String {
    crate::support::environment(engine, crate::support::draft(name, Kind::Development, targets)).await
}

fn host() -> TargetsDraft {
    TargetsDraft { host: Some("local".to_owned()), ..TargetsDraft::default() }
}

/// Sends a command as a face does: its row tells viewers what it changed, which its function does not.
async fn send(engine: &Arc<Engine>, name: &str, request: impl serde::Serialize) {
    let request = serde_json::to_value(request).expect("JSON");
    engine.dispatch(name, request).await.expect(name);
}

/// The edit of an environment as it is stored now.
async fn update(engine: &Arc<Engine>, id: &str, draft: EnvironmentDraft) -> EnvUpdate {
    let now = environments::get(engine.clone(), by_id(id)).await.expect("it is there");
    EnvUpdate { id: id.to_owned(), draft, read_ms: now.updated_ms }
}

/// Connections of Perfdeck to a server, by the name that it gives them.
async fn connections(redis: &Redis) -> usize {
    let list = redis.execute(&["CLIENT", "LIST"]).await.expect("a list");
    format!("{list:?}").matches("name=perfdeck").count()
}

/// The first frame that fulfils a condition.
async fn until(viewer: &mut Viewer, what: &str, mut done: impl FnMut(&Frame) -> bool) -> Frame {
    let frames = async {
        loop {
            let frame = viewer.next().await.unwrap_or_else(|| panic!("{what}: the stream ended"));
            if done(&frame) {
                return frame;
            }
        }
    };
    tokio::time::timeout(DEADLINE, frames).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

fn has_samples(frame: &Frame) -> bool {
    frame.series.get("cache.operations").is_some_and(|values| values.iter().any(Option::is_some))
}

fn targets(frame: &Frame) -> Option<&[TargetStatus]> {
    frame.parts.iter().find_map(|part| match part {
        Part::Targets(targets) => Some(targets.as_slice()),
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_viewers_share_one_collector_which_ends_when_nobody_needs_it() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let redis = Redis::start().await.expect("Redis");
    let id = environment(&engine, "shop", cache(redis.url())).await;
    let mut first = engine.watch(Watching::everything(Some(&id))).await.expect("a viewer");
    until(&mut first, "samples of the first", has_samples).await;
    let alone = connections(&redis).await;
    assert!(alone > 0, "it is connected");
    let mut second = engine.watch(Watching::everything(Some("shop"))).await.expect("a viewer");
    let mut told: Vec<TargetStatus> = Vec::new();
    let mut seconds = 0;
    until(&mut second, "samples of the second", |frame| {
        if let Some(now) = targets(frame) {
            let same = told.len() == now.len() && told.iter().zip(now).all(|(a, b)| a.shows_as(b));
            assert!(!same || seconds == 0, "targets are told again when something shown of them changed: {now:?}");
            told = now.to_vec();
        }
        seconds += frame.t.len();
        seconds >= 3
    })
    .await;
    until(&mut first, "samples of the first go on", has_samples).await;
    assert_eq!(connections(&redis).await, alone, "both see what one collector finds");

    drop(first);
    for n in 0..8 {
        let other = environment(&engine, &format!("other {n}"), host()).await;
        monitoring::start(engine.clone(), by_environment(&other)).await.expect("watched, and left");
    }
    until(&mut second, "what somebody looks at is kept", has_samples).await;
    drop(second);
    let last = environment(&engine, "last", host()).await;
    monitoring::start(engine.clone(), by_environment(&last)).await.expect("watched");
    eventually(DEADLINE, async || connections(&redis).await == 0).await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_edited_deleted_and_restored_while_it_is_watched() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let (old, new) = (Redis::start().await.expect("Redis"), Redis::start().await.expect("another one"));
    let id = environment(&engine, "shop", cache(old.url())).await;
    let mut viewer = engine.watch(Watching::everything(Some(&id))).await.expect("a viewer");
    until(&mut viewer, "samples", has_samples).await;

    let draft = crate::support::draft("shop", Kind::Development, cache(new.url()));
    send(&engine, "env.update", update(&engine, &id, draft).await).await;
    let port = new.port().to_string();
    let of_new = |frame: &Frame| targets(frame).is_some_and(|t| t.iter().any(|t| t.address.contains(&port)));
    until(&mut viewer, "its new target", of_new).await;
    until(&mut viewer, "samples of the new target", has_samples).await;
    eventually(DEADLINE, async || connections(&old).await == 0).await;

    send(&engine, "env.delete", by_id(&id)).await;
    eventually(DEADLINE, async || connections(&new).await == 0).await;
    // Which has a frame of its own only while nothing is watched.
    let own_alone = |frame: &Frame| matches!(frame.parts.as_slice(), [Part::Own(_)]) && frame.t.is_empty();
    until(&mut viewer, "what Perfdeck costs goes on", own_alone).await;
    send(&engine, "env.restore", by_id(&id)).await;
    until(&mut viewer, "samples once it is back", has_samples).await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_reads_follows_an_environment_that_is_edited() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let (old, new) = (Redis::start().await.expect("Redis"), Redis::start().await.expect("another one"));
    let id = environment(&engine, "shop", cache(old.url())).await;
    let refused = engine.watch_reading(Watching::everything(Some(&id))).await.err().expect("nobody watches it");
    assert_eq!(refused.code, ErrorCode::Guarded, "{refused}");
    let first = engine.watch(Watching::everything(Some(&id))).await.expect("full access");
    let mut reading = engine.watch_reading(Watching::everything(Some(&id))).await.expect("it is watched");
    until(&mut reading, "samples", has_samples).await;
    // Whoever has full access does not ask for frames: the one that only reads comes first, and is refused.
    let draft = crate::support::draft("shop", Kind::Development, cache(new.url()));
    send(&engine, "env.update", update(&engine, &id, draft).await).await;
    until(&mut reading, "it hears of the edit", |frame| frame.parts.iter().any(|p| p.topic() == Topic::Changed)).await;
    assert_eq!(connections(&new).await, 0, "it reaches no target itself");
    monitoring::start(engine.clone(), by_environment(&id)).await.expect("somebody else does");
    until(&mut reading, "samples of the new target", has_samples).await;
    drop(first);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_jobs_of_an_environment_has_no_target_reached() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let redis = Redis::start().await.expect("Redis");
    let id = environment(&engine, "shop", cache(redis.url())).await;
    let mut viewer = engine.watch(Watching::only(Some(&id), &[Topic::Jobs])).await.expect("a viewer");
    viewer.next().await.expect("a snapshot");
    let asked = serde_json::to_value(by_environment(&id)).expect("JSON");
    let refused = engine.dispatch_reading("monitor.targets", asked).await.expect_err("refused");
    assert_eq!(refused.code, ErrorCode::Guarded, "nobody watches it: {refused}");
    let spec = http("http://127.0.0.1:1/", Load::Closed, 1, 1.0);
    bench::start(engine.clone(), benchmark(spec, None)).await.expect("a job");
    let frame = until(&mut viewer, "the job", |_| true).await;
    assert!(matches!(frame.parts.as_slice(), [Part::Jobs(_)]) && frame.t.is_empty(), "the job alone: {frame:?}");
    assert_eq!(connections(&redis).await, 0, "and nothing connected");
    let unknown = engine.watch(Watching::only(Some("nope"), &[Topic::Jobs])).await.err().expect("no such environment");
    assert_eq!(unknown.code, ErrorCode::NotFound, "{unknown}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_keeps_the_run_that_runs_ends_its_viewers_and_watches_nothing_anew() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let api = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("an API");
    let redis = Redis::start().await.expect("Redis");
    let targets = TargetsDraft { api: Some(api.url()), ..cache(redis.url()) };
    let id = environment(&engine, "shop", targets).await;
    let mut viewer = engine.watch(Watching::everything(Some(&id))).await.expect("a viewer");
    let spec = http(&api.url(), Load::Closed, 2, 600.0);
    let job = bench::start(engine.clone(), benchmark(spec, Some(&id))).await.expect("it starts");
    let mut seconds = 0;
    until(&mut viewer, "it measures, beside samples", |frame| {
        let measures = |part: &Part| matches!(part, Part::Bench(live) if live.phase == BenchPhase::Measuring);
        seconds += usize::from(has_samples(frame));
        seconds >= 1 && frame.parts.iter().any(measures)
    })
    .await;
    // Its viewer goes on asking, as a window does that is open until the end.
    let looking = tokio::spawn(async move { while viewer.next().await.is_some() {} });
    tokio::time::timeout(SHUTDOWN, engine.shutdown()).await.expect("in time");
    tokio::time::timeout(DEADLINE, looking).await.expect("the stream ends").expect("and nothing panics");
    assert_eq!(connections(&redis).await, 0, "nothing is watched after the end");
    let late = engine.watch(Watching::everything(Some(&id))).await.err().expect("nor later");
    assert_eq!(late.code, ErrorCode::Cancelled, "{late}");

    let again = open(dir.path()).await;
    let runs = bench::run_list(again.clone(), RunList { environment_id: Some(id) }).await.expect("the runs");
    assert_eq!(runs[0].state, RunState::Interrupted, "what it measured is kept: {runs:?}");
    assert!(runs[0].requests > 0, "with its figures: {runs:?}");
    assert_eq!(job.kind, "bench", "{job:?}");
    again.shutdown().await;
}

//! Guards against real servers: what looks like production, what ends a run early, and the journal of it all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{api, benchmark, by_id, database, draft, ended, environment, http, measure, open, result, run_of};
use perfdeck_engine::bench::{self, BenchRequest, RunList};
use perfdeck_engine::house::{self, JournalList};
use perfdeck_engine::{BenchSpec, DuetRequest, DuetSide, Engine};
use perfdeck_model::{
    ApiError, EnvironmentDraft, Guards, HttpBenchSpec, JobState, JobStatus, JournalKind, Kind, Load, PartKind, PartOf,
    RunState, SecretInput, TargetsDraft,
};
use perfdeck_testkit::{Answer, Postgres, ScriptedHttp, eventually};
use sqlx::Connection as _;

fn rate(url: &str, rate_per_s: f64, duration_s: f64) -> HttpBenchSpec {
    http(url, Load::Rate { rate_per_s }, 4, duration_s)
}

fn side(label: &str, environment_id: Option<&str>, spec: HttpBenchSpec) -> DuetSide {
    let environment_id = environment_id.map(str::to_owned);
    DuetSide { label: label.to_owned(), environment_id, spec: BenchSpec::Http(spec) }
}

/// Seven pairs without a rest.
fn duet(a: DuetSide, b: DuetSide) -> DuetRequest {
    DuetRequest {
        a,
        b,
        pairs: 7,
        seed: Some(1),
        rest_s: 0.0,
        name: None,
        confirm: Vec::new(),
        noise: false,
        changed: Vec::new(),
        metrics: Vec::new(),
    }
}

/// Runs a duet to the end of its job; an error is what refused it.
async fn compare(engine: &Arc<Engine>, asked: DuetRequest) -> Result<JobStatus, ApiError> {
    let job = bench::duet_start(engine.clone(), asked).await?;
    Ok(ended(engine, &job).await)
}

/// The journal's entries, oldest first, as kind and text.
async fn journal(engine: &Arc<Engine>, id: &str) -> Vec<(JournalKind, String)> {
    let asked = JournalList { environment_id: Some(id.to_owned()), limit: None };
    let found = house::journal_list(engine.clone(), asked).await.expect("the journal");
    found.into_iter().rev().map(|entry| (entry.kind, entry.text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_look_like_production() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let server = Postgres::start().await.expect("PostgreSQL");
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let guarded = |name: &str, guards: Option<Guards>| EnvironmentDraft {
        guards,
        ..draft(name, Kind::Development, database(server.url()))
    };
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(server.connect().await.expect("a client"));
    }
    let id = environment(&engine, guarded("copy", None)).await;
    let closed = http(&target.url(), Load::Closed, 1, 0.5);
    let asked = benchmark(closed.clone(), Some(&id));
    let preview = bench::preview(engine.clone(), asked.clone()).await.expect("a preview");
    assert_eq!(preview.evidence, ["50 clients are connected to its database"], "{preview:?}");
    assert_eq!(preview.confirm.as_deref(), Some("copy"), "its name is to be typed");
    let refused = measure(&engine, asked).await.expect_err("a closed loop has no cap");
    assert!(refused.message.starts_with("'copy' looks like production (50 clients"), "{}", refused.message);
    let within = benchmark(rate(&target.url(), 100.0, 1.2), Some(&id));
    assert!(measure(&engine, within.clone()).await.is_err(), "its name was not typed");
    let typed = BenchRequest { confirm: Some("copy".to_owned()), ..within };
    let done = measure(&engine, typed).await.expect("with its name, and a rate, it may");
    let run = run_of(&engine, &done).await;
    assert_eq!(run.state, RunState::Completed, "{run:?}");
    assert_eq!(target.requests(), 120, "nothing but this run sent anything");

    let entries = journal(&engine, &id).await;
    let kinds: Vec<JournalKind> = entries.iter().map(|(kind, _)| *kind).collect();
    let [created, refused] = [JournalKind::Created, JournalKind::LoadRefused];
    let expected = [created, refused, refused, JournalKind::LoadStarted, JournalKind::LoadEnded];
    assert_eq!(kinds, expected, "{entries:?}");
    assert!(entries[3].1.contains("at 100/s on 127.0.0.1"), "where it went: {}", entries[3].1);
    // A generator that was held up by what else runs here says that its run is invalid.
    let came = if run.valid { "no errors" } else { "invalid" };
    let ended = format!("120 requests in 1.2\u{2009}s, {came}");
    assert!(entries[4].1.ends_with(&ended), "and what came of it: {}", entries[4].1);

    let free = Guards { never_production: true, ..Guards::for_kind(Kind::Development) };
    let id = environment(&engine, guarded("laptop", Some(free))).await;
    let preview = bench::preview(engine.clone(), benchmark(closed, Some(&id))).await.expect("a preview");
    assert_eq!((preview.evidence.len(), preview.guard), (0, None), "who knows better can say so");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_before_it_takes_the_last_connections() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let server = Postgres::start_with(&[("max_connections", "20")]).await.expect("PostgreSQL");
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let id = environment(&engine, draft("live", Kind::Production, database(server.url()))).await;
    let asked = benchmark(rate(&target.url(), 50.0, 30.0), Some(&id));
    let asked = BenchRequest { confirm: Some("live".to_owned()), ..asked };
    let load = tokio::spawn({
        let engine = engine.clone();
        async move { measure(&engine, asked).await }
    });
    eventually(Duration::from_secs(20), || async { (target.requests() > 10).then_some(()) }).await;
    // Others come: of 17 connections for clients without privileges, at most one is free then.
    let mut held = Vec::new();
    for _ in 0..15 {
        held.push(server.connect().await.expect("a client"));
    }
    let run = run_of(&engine, &load.await.expect("no panic").expect("it may begin")).await;
    assert_eq!(run.state, RunState::Aborted, "{run:?}");
    let why = run.notes.first().expect("a reason").as_str();
    assert!(why.contains("of 17 connections of the database are free; the guard keeps 10 %"), "{why}");
    assert!(run.duration_s < 10.0, "long before its 30 s: {}", run.duration_s);
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
    let id = environment(&engine, draft("stage", Kind::Staging, api(target.url()))).await;
    let asked = benchmark(rate(&target.url(), 100.0, 30.0), Some(&id));
    let run = run_of(&engine, &measure(&engine, asked).await.expect("it may begin")).await;
    assert_eq!(run.state, RunState::Aborted, "{run:?}");
    let why = run.notes.first().expect("a reason").as_str();
    assert!(why.contains("requests failed within") && why.ends_with("the limit is 50 %"), "{why}");
    assert!(run.duration_s < 10.0, "long before its 30 s: {}", run.duration_s);
    assert!(run.errors > 0, "what was measured so far is kept");
    let last = journal(&engine, &id).await.pop().expect("an entry");
    assert!(
        last.0 == JournalKind::LoadEnded && last.1.starts_with("ended early: ") && last.1.contains(why),
        "{last:?}"
    );
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_is_what_one_side_shows_against_itself() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let now = |path: &str| side("now", None, rate(&format!("{}/{path}", target.url()), 600.0, 0.5));
    let noise = |b: &str| DuetRequest { seed: None, noise: true, ..duet(now("x"), now(b)) };
    let refused = compare(&engine, noise("y")).await.expect_err("the sides differ");
    assert!(refused.message.contains("must be the same"), "{}", refused.message);
    let done = compare(&engine, noise("x")).await.expect("it may");
    let stored = bench::comparison_get(engine.clone(), by_id(&result(&done))).await.expect("stored");
    assert_eq!(stored.name, "Noise of now", "it says what it is");
    let part = PartOf { kind: PartKind::Comparison, id: stored.id, name: stored.name };
    let runs = bench::run_list(engine.clone(), RunList::default()).await.expect("runs");
    assert!(
        !runs.is_empty() && runs.iter().all(|run| run.part_of.as_ref() == Some(&part)),
        "each says whose it is: {runs:?}"
    );
    let entries =
        house::journal_list(engine.clone(), JournalList { environment_id: None, limit: None }).await.expect("read");
    let of_runs: Vec<_> = entries.iter().filter(|entry| entry.run_id.is_some()).collect();
    assert!(
        of_runs.len() == 2 * runs.len() && of_runs.iter().all(|entry| entry.part_of.as_ref() == Some(&part)),
        "{of_runs:?}"
    );
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_missing_keeps_nobody_from_loading_the_api() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let database_password = SecretInput::Env { name: "PERFDECK_TEST_NO_SUCH_VARIABLE".to_owned() };
    let targets = TargetsDraft { database_password, ..database("postgres://reader@127.0.0.1:1/app".to_owned()) };
    let id = environment(&engine, draft("half", Kind::Staging, targets)).await;
    let asked = benchmark(rate(&target.url(), 100.0, 1.2), Some(&id));
    let preview = bench::preview(engine.clone(), asked.clone()).await.expect("a preview");
    assert!(preview.evidence.is_empty(), "a target that cannot be asked gives no evidence: {preview:?}");
    let run = run_of(&engine, &measure(&engine, asked).await.expect("it may begin")).await;
    assert_eq!(run.requests, 120, "{run:?}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_duet_are_confirmed_by_their_own_names() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let mut sides = Vec::new();
    let guards = Guards { max_rate_per_s: Some(1_000.0), ..Guards::for_kind(Kind::Production) };
    for name in ["blue", "green"] {
        let live = draft(name, Kind::Production, api(target.url()));
        let id = environment(&engine, EnvironmentDraft { guards: Some(guards.clone()), ..live }).await;
        sides.push(side(name, Some(&id), rate(&target.url(), 800.0, 0.3)));
    }
    let typing = |typed: &[&str]| DuetRequest {
        confirm: typed.iter().map(|name| (*name).to_owned()).collect(),
        ..duet(sides[0].clone(), sides[1].clone())
    };
    for (typed, missing) in [(&[][..], "blue"), (&["blue"], "green"), (&["green"], "blue")] {
        let refused = compare(&engine, typing(typed)).await.expect_err("a name is missing");
        assert_eq!(refused.message, format!("Load on '{missing}' needs its name typed"), "{typed:?}");
    }
    assert_eq!(target.requests(), 0, "nothing was sent");
    let done = compare(&engine, typing(&["green", "blue"])).await.expect("both were typed");
    assert_eq!(done.state, JobState::Done, "{done:?}");
    // A busy machine may end the pairs early; that load was sent at all is the question here.
    assert!(target.requests() >= 180, "load was sent: {}", target.requests());
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_journaled_is_not_sent() {
    let dir = tempfile::tempdir().expect("temp dir");
    let engine = open(dir.path()).await;
    let target = ScriptedHttp::start(|_| Answer::ok("fine")).await.expect("a server");
    let asked = benchmark(rate(&target.url(), 400.0, 0.3), None);
    let run = run_of(&engine, &measure(&engine, asked.clone()).await.expect("it may begin")).await;
    assert_eq!((run.requests, target.requests()), (120, 120), "with its journal it runs");
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("perfdeck.db"));
    let mut store = sqlx::SqliteConnection::connect_with(&file).await.expect("the store");
    sqlx::query("DROP TABLE journal").execute(&mut store).await.expect("the journal is gone");
    let end = measure(&engine, asked).await.expect("the guards have nothing against it");
    assert_eq!(end.state, JobState::Failed, "{end:?}");
    assert_eq!(target.requests(), 120, "not one more request");
    engine.shutdown().await;
}

//! Statements of a watched environment: read while it is watched, kept by window, told from the store when nobody watches.

use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::database::{self, StatementRequest, StatementsRequest};
use perfdeck_engine::statements::{PlanSeen, StatementDetail, Statements, StatementsGapKind, StatementsState};
use perfdeck_engine::{Empty, Engine, EngineOptions, environments, monitoring};
use perfdeck_model::{Clock, ErrorCode, IndexFindingKind, Kind, ManualClock, SystemClock};
use perfdeck_testkit::{Postgres, eventually};
use sqlx::{Connection as _, Executor as _, Row as _};

const DAY_MS: f64 = 86_400_000.0;
const PATIENCE: Duration = Duration::from_secs(30);

async fn asked(engine: &Arc<Engine>, id: &str, clock: &ManualClock) -> Statements {
    let to_ms = clock.now_ms();
    let request = StatementsRequest { environment_id: id.to_owned(), from_ms: to_ms - DAY_MS, to_ms: to_ms + 1.0 };
    database::db_statements(engine.clone(), request).await.expect("answers")
}

async fn calls(server: &Postgres, times: u32) {
    let mut c = server.connect().await.expect("a connection");
    for n in 0..times {
        c.execute(sqlx::AssertSqlSafe(format!("SELECT stock FROM items WHERE id = {n}"))).await.expect("run");
    }
    c.close().await.expect("closed");
}

/// Watches it, until the first reading was made.
async fn watch(engine: &Arc<Engine>, id: &str, clock: &ManualClock) {
    monitoring::start(engine.clone(), crate::support::by_environment(id)).await.expect("watched");
    eventually(PATIENCE, async || asked(engine, id, clock).await.next_ms).await;
    clock.advance(2_500.0);
    eventually(PATIENCE, async || asked(engine, id, clock).await.source).await;
}

/// Calls of the statement of the load; 0 while it is not there.
fn counted(answer: &Statements) -> u64 {
    let load = |text: &str| text.starts_with("SELECT stock FROM items");
    answer.rows.iter().find(|row| row.statement.as_deref().is_some_and(load)).map_or(0, |row| row.calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_watched_database_did_is_kept_and_counts_once() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server.execute("CREATE TABLE items (id int PRIMARY KEY, stock int)").await.expect("a table");
    // Passwords are of one process; a second Perfdeck on the same store signs in without one.
    server.execute("CREATE ROLE open SUPERUSER LOGIN").await.expect("a role");
    let mut c = server.connect().await.expect("a connection");
    let file: String = sqlx::raw_sql("SHOW hba_file").fetch_one(&mut c).await.expect("a file").get(0);
    let lines = "ARRAY['host all open 127.0.0.1/32 trust', 'host all all 127.0.0.1/32 scram-sha-256']";
    c.execute(sqlx::AssertSqlSafe(format!("COPY (SELECT unnest({lines})) TO '{file}'"))).await.expect("written");
    c.execute("SELECT pg_reload_conf()").await.expect("reloaded");
    c.close().await.expect("closed");
    let url = format!("postgres://open@127.0.0.1:{}/app", server.port());
    let dir = tempfile::tempdir().expect("a folder");
    // The middle of a window, so that what follows is in one.
    let clock = Arc::new(ManualClock::new((SystemClock.now_ms() / 300_000.0).floor() * 300_000.0 + 60_000.0));
    let open = || async {
        let options = EngineOptions { data_dir: Some(dir.path().to_owned()), clock: Some(clock.clone()) };
        Engine::open(options).await.expect("the engine opens")
    };
    let engine = open().await;
    let draft = crate::support::draft("shop", Kind::Development, crate::support::database(url));
    let id = crate::support::environment(&engine, draft).await;
    let unwatched = asked(&engine, &id, &clock).await;
    assert_eq!(unwatched.state, Some(StatementsState::NotWatched), "nobody looks");
    assert_eq!((unwatched.coverage.windows, unwatched.since_ms), (0, None), "and nothing was seen");

    watch(&engine, &id, &clock).await;
    let first = asked(&engine, &id, &clock).await;
    assert_eq!(first.coverage.windows, 0, "one reading says nothing of what happened");
    assert!(first.next_ms.is_some_and(|next| next > clock.now_ms()), "when the figures come is said");

    calls(&server, 40).await;
    clock.advance(10_000.0);
    let seen = eventually(PATIENCE, async || {
        let answer = asked(&engine, &id, &clock).await;
        if counted(&answer) > 0 { Ok(answer) } else { Err(answer) }
    })
    .await;
    assert_eq!(counted(&seen), 40, "to the last call: {seen:?}");
    let row = &seen.rows[0];
    assert!(row.share.is_some_and(|share| share > 0.0) && row.buffers_per_call.is_some(), "{row:?}");
    let own = |text: &str| text.contains("pg_stat_") || text.contains("perfdeck");
    assert!(!seen.rows.iter().any(|row| row.statement.as_deref().is_some_and(own)), "nothing of our own: {seen:?}");

    // Somebody else's Perfdeck on the same store watches too: it has seen less, and nothing counts twice.
    let other = open().await;
    let beside = asked(&other, &id, &clock).await;
    assert_eq!(beside.state, Some(StatementsState::WatchedElsewhere), "it does not watch, and somebody does");
    watch(&other, &id, &clock).await;
    calls(&server, 2).await;
    // Readings far apart have a gap between them, so the clock goes on in steps.
    for _ in 0..8 {
        clock.advance(10_000.0);
        let next = eventually(PATIENCE, async || {
            let at = clock.now_ms();
            let all = [&engine, &other];
            for one in all {
                if asked(one, &id, &clock).await.next_ms.is_none_or(|next| next <= at) {
                    return None;
                }
            }
            Some(at)
        });
        next.await;
    }
    eventually(PATIENCE, async || counted(&asked(&engine, &id, &clock).await) == 42).await;
    let answer = asked(&engine, &id, &clock).await;
    assert_eq!(answer.coverage.windows, 1, "of the same time one sight: {:?}", answer.coverage);
    let later = asked(&other, &id, &clock).await;
    assert_eq!(later.coverage.windows, 1, "the same for the one that came later: {:?}", later.coverage);
    assert!([2, 42].contains(&counted(&later)), "its own sight or the longer one, never both: {later:?}");
    other.shutdown().await;
    engine.shutdown().await;

    // Nobody watches any more: it is told from the store, where a gap is a gap.
    let later = open().await;
    let kept = asked(&later, &id, &clock).await;
    assert_eq!(kept.state, Some(StatementsState::NotWatched), "it ended with those who did");
    assert_eq!((counted(&kept), kept.coverage.windows), (42, 1), "what was seen was kept at the end: {kept:?}");
    let request = StatementRequest {
        environment_id: id.clone(),
        key: kept.rows[0].key.clone(),
        from_ms: clock.now_ms() - DAY_MS,
        to_ms: clock.now_ms(),
    };
    let one = database::db_statement(later.clone(), request.clone()).await.expect("answers");
    assert_eq!(one.statement, kept.rows[0].statement, "whole");
    assert_eq!(one.windows.len(), 1, "{one:?}");
    let nothing = StatementRequest { key: "1".to_owned(), ..request };
    let error = database::db_statement(later.clone(), nothing).await.expect_err("there is none");
    assert_eq!(error.code, ErrorCode::NotFound, "{error}");
    clock.advance(600_000.0);
    watch(&later, &id, &clock).await;
    calls(&server, 3).await;
    clock.advance(10_000.0);
    eventually(PATIENCE, async || counted(&asked(&later, &id, &clock).await) == 45).await;
    let answer = asked(&later, &id, &clock).await;
    let kinds: Vec<StatementsGapKind> = answer.gaps.iter().map(|gap| gap.kind).collect();
    assert_eq!(kinds, [StatementsGapKind::NotSeen], "ten minutes in which nobody looked: {:?}", answer.gaps);
    later.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_lists_its_own_statements_and_a_look_needs_no_history() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = crate::support::open(dir.path()).await;
    // It builds the demo; nothing runs there while nobody watches.
    let looked = async || {
        let lasts = Duration::from_millis(1_500);
        database::db_statements_look(engine.clone(), crate::support::by_environment("demo"), lasts)
            .await
            .expect("answers")
    };
    let quiet = looked().await;
    assert_eq!((quiet.rows.len(), quiet.state), (0, None), "nothing was called, which is no failure");
    monitoring::start(engine.clone(), crate::support::by_environment("demo")).await.expect("watched");
    let found = eventually(PATIENCE, async || {
        let found = looked().await;
        (found.rows.len() >= 2).then_some(found)
    })
    .await;
    let share: f64 = found.rows.iter().filter_map(|row| row.share).sum();
    assert!((share - 1.0).abs() < 1e-6, "the shares are of all: {share}");
    let scan = found.rows.iter().find(|row| row.statement.as_deref().is_some_and(|s| s.contains("WHERE staff_id = ?")));
    assert!(found.rows.iter().all(|row| row.statement.is_some() && row.buffers_per_call.is_none()), "{found:?}");
    assert!(scan.is_none_or(|row| row.rows_per_call.is_some()), "{scan:?}");
    assert_eq!(found.source.as_deref(), Some("the demo's own count"), "and whose figures they are");
    // However many look at it at once: what somebody is told once, such as a window that begins, it goes by.
    let looks = (0..400).map(|_| tokio::spawn(environments::list(engine.clone(), Empty {})));
    for look in futures_util::future::join_all(looks).await {
        let all = look.expect("it ends").expect("a list");
        assert!(all.iter().any(|e| e.demo && e.targets.len() == 4), "the demo has its targets: {all:?}");
    }
    engine.shutdown().await;
}

/// What is known of the plans of the statement whose text begins so.
async fn plans_of(engine: &Arc<Engine>, id: &str, clock: &ManualClock, begins: &str) -> Option<StatementDetail> {
    let to_ms = clock.now_ms();
    let answer = asked(engine, id, clock).await;
    let row = answer.rows.iter().find(|row| row.statement.as_deref().is_some_and(|text| text.starts_with(begins)))?;
    let request = StatementRequest {
        environment_id: id.to_owned(),
        key: row.key.clone(),
        from_ms: to_ms - DAY_MS,
        to_ms: to_ms + 1.0,
    };
    Some(database::db_statement(engine.clone(), request).await.expect("answers"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_changes_is_kept_once_with_what_it_was_before() {
    let server = Postgres::start().await.expect("PostgreSQL");
    for text in [
        "CREATE TABLE items (id int, stock int)",
        "INSERT INTO items SELECT n, n FROM generate_series(1, 20000) AS n",
        "CREATE INDEX items_id ON items (id)",
        "ANALYZE items",
    ] {
        server.execute(text).await.expect(text);
    }
    let dir = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new((SystemClock.now_ms() / 300_000.0).floor() * 300_000.0 + 60_000.0));
    let options = EngineOptions { data_dir: Some(dir.path().to_owned()), clock: Some(clock.clone()) };
    let engine = Engine::open(options).await.expect("the engine opens");
    let draft = crate::support::draft("shop", Kind::Development, crate::support::database(server.url()));
    let id = crate::support::environment(&engine, draft).await;
    watch(&engine, &id, &clock).await;
    calls(&server, 20).await;
    server.execute("UPDATE items SET stock = 1 WHERE id = 7").await.expect("written");
    clock.advance(10_000.0);
    eventually(PATIENCE, async || counted(&asked(&engine, &id, &clock).await) == 20).await;

    let load = "SELECT stock FROM items";
    // Time goes on in steps of a reading; a statement is planned again after a minute.
    let seen = async |count: usize, after_ms: f64| {
        eventually(PATIENCE, async || {
            clock.advance(10_000.0);
            let found = plans_of(&engine, &id, &clock, load).await;
            match &found {
                Some(one) if one.plans.len() == count && one.plans.last().is_some_and(|p| p.last_ms > after_ms) => {
                    Ok(one.plans.clone())
                }
                _ => Err(found),
            }
        })
        .await
    };
    let first = seen(1, 0.0).await;
    let names = |plan: &PlanSeen| plan.shape.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
    assert_eq!(first[0].shape.nodes[0].index.as_deref(), Some("items_id"), "by its index: {first:?}");
    let again = seen(1, first[0].last_ms).await;
    assert_eq!(again[0].first_ms.to_bits(), first[0].first_ms.to_bits(), "seen again it is the same one: {again:?}");

    server.execute("DROP INDEX items_id").await.expect("dropped");
    let dropped = seen(2, again[0].last_ms).await;
    assert!(names(&dropped[1]).iter().any(|name| name.contains("Seq Scan")), "read in full: {dropped:?}");
    assert_eq!(dropped[0].shape, first[0].shape, "and what it was before stays: {dropped:?}");
    assert!(dropped[1].first_ms >= dropped[0].last_ms, "one after the other: {dropped:?}");
    let row = asked(&engine, &id, &clock).await;
    let row = row.rows.iter().find(|row| row.statement.as_deref().is_some_and(|s| s.starts_with(load))).expect("a row");
    assert_eq!(row.plan_changed_ms, Some(dropped[1].first_ms), "the list says when");

    server.execute("CREATE INDEX items_id ON items (id)").await.expect("created");
    let back = seen(3, dropped[1].last_ms).await;
    assert_eq!(back[2].shape.name, first[0].shape.name, "the same plan has the same name: {back:?}");

    // Who drops it hears which statements would lose.
    server.execute("CREATE INDEX items_both ON items (id, stock)").await.expect("created");
    let asks = database::IndexesRequest {
        environment_id: id.clone(),
        kinds: vec![IndexFindingKind::Redundant],
        table: None,
        standbys: Vec::new(),
        limit: None,
    };
    let found = database::db_indexes(engine.clone(), asks).await.expect("findings");
    let one = found.findings.iter().find(|f| f.object == "public.items_id").expect("the beginning of the other");
    let users: Vec<&str> = one.users.iter().filter_map(|u| u.statement.as_deref()).collect();
    assert!(users.len() == 1 && users[0].starts_with(load) && found.plans_followed >= 1, "{users:?} {found:?}");

    // What writes is not planned, which is said; and nothing of ours is in the figures.
    let update = eventually(PATIENCE, async || {
        clock.advance(10_000.0);
        plans_of(&engine, &id, &clock, "UPDATE items").await.filter(|one| one.no_plan.is_some())
    })
    .await;
    assert!(update.plans.is_empty() && update.no_plan.is_some_and(|why| why.hint.is_some()), "a reason with a hint");
    let answer = asked(&engine, &id, &clock).await;
    let own = |text: &str| ["EXPLAIN", "PREPARE", "perfdeck"].iter().any(|word| text.contains(word));
    assert!(!answer.rows.iter().any(|row| row.statement.as_deref().is_some_and(own)), "{:?}", answer.rows);
    engine.shutdown().await;
}

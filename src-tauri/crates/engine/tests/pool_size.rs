//! Sizing a pool against databases whose knee is known by construction: statements that hold one of K slots for a while, so that
//! throughput grows up to K connections and no further.
mod support;

use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::bench::RunList;
use perfdeck_engine::house::{self, JournalList};
use perfdeck_engine::pool_size::{self, PoolSizeRequest, PoolSizing, RefusalKind, SizingState};
use perfdeck_engine::{BenchSpec, Engine, Pace, SqlBenchSpec};
use perfdeck_model::{ApiError, ErrorCode, JobState, JobStatus, JournalKind, Kind};
use perfdeck_testkit::{PgBouncer, Postgres, eventually, sqlx};
use sqlx::Connection as _;

const PATIENCE: Duration = Duration::from_secs(30);

/// Takes the first free one of `slots` advisory locks, or waits for one of them, and holds it for 40 ms.
const SLOTS: &str = "
    CREATE FUNCTION work(kind int, slots int) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        FOR slot IN 1..slots LOOP
            IF pg_try_advisory_xact_lock(kind, slot) THEN PERFORM pg_sleep(0.04); RETURN; END IF;
        END LOOP;
        PERFORM pg_advisory_xact_lock(kind, 1 + pg_backend_pid() % slots);
        PERFORM pg_sleep(0.04);
    END $$;";

fn asked(environment_id: &str, statement: &str) -> PoolSizeRequest {
    let pace = Pace {
        connections: 1,
        rate_per_s: None,
        poisson: false,
        late_limit_s: None,
        threads: Some(1),
        duration_s: 1.0,
        warmup_s: 0.0,
        timeout_s: 5.0,
        seed: 1,
        thresholds: Vec::new(),
    };
    let sql = SqlBenchSpec {
        statement: statement.to_owned(),
        script: None,
        parameters: Vec::new(),
        transaction: false,
        prepared: true,
        pace,
    };
    PoolSizeRequest {
        spec: BenchSpec::Sql(sql),
        environment_id: environment_id.to_owned(),
        max_connections: 8,
        repetitions: 2,
        warmup_s: 0.1,
        measure_s: 0.7,
        objective_ms: None,
        instances: 1,
        name: None,
        confirm: None,
    }
}

async fn found(engine: &Arc<Engine>, job: &JobStatus) -> PoolSizing {
    let end = support::ended(engine, job).await;
    let id = end.result.as_ref().unwrap_or_else(|| panic!("a result: {end:?}")).id().to_owned();
    pool_size::get(engine.clone(), support::by_id(&id)).await.expect("stored")
}

async fn measured(engine: &Arc<Engine>, request: PoolSizeRequest) -> PoolSizing {
    let job = pool_size::start(engine.clone(), request).await.expect("started");
    found(engine, &job).await
}

/// The same on a machine that others use too: where repetitions differ too much it says so and is measured more often, as its
/// hint tells. What it recommends has to be right whenever it does.
async fn steadily(engine: &Arc<Engine>, mut request: PoolSizeRequest) -> PoolSizing {
    loop {
        let sizing = measured(engine, request.clone()).await;
        let unsure = sizing.analysis.refused.as_ref().map(|why| why.kind);
        if !matches!(unsure, Some(RefusalKind::Scatter | RefusalKind::LackOfFit | RefusalKind::Uncertain))
            || request.repetitions >= 5
        {
            return sizing;
        }
        request.repetitions = (request.repetitions * 2).min(5);
    }
}

async fn refused(engine: &Arc<Engine>, request: PoolSizeRequest) -> ApiError {
    pool_size::start(engine.clone(), request).await.expect_err("refused")
}

/// Waits until a job is at a cell.
async fn at_cell(engine: &Arc<Engine>, job: &JobStatus, cell: usize) {
    eventually(PATIENCE, async || {
        let now = engine.jobs().get(&job.id).expect("known");
        if now.step.contains(&format!("cell {cell} ")) { Ok(()) } else { Err(now) }
    })
    .await;
}

/// Sessions that load has.
async fn sessions(server: &Postgres) -> i64 {
    let mut c = sqlx::PgConnection::connect(&server.url()).await.expect("a connection");
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'perfdeck-load'";
    let n = sqlx::query_scalar(sql).fetch_one(&mut c).await.expect("a number");
    c.close().await.expect("closed");
    n
}

#[tokio::test(flavor = "multi_thread")]
async fn the_knee_of_a_database_is_found_where_it_was_put() {
    let server = Postgres::start().await.expect("PostgreSQL");
    server.execute(SLOTS).await.expect("a function");
    // Two databases' worth of slots, measured at once: neither takes a processor, and each has its own data folder.
    let (three, two) = tokio::join!(knee(&server, 1, 3), knee(&server, 2, 2));
    for (k, sizing) in [(3_u32, &three), (2, &two)] {
        let size = sizing.analysis.recommended.as_ref().unwrap_or_else(|| panic!("{k} slots: {sizing:?}"));
        // What a busy machine adds to each round is time without a slot, in which another connection has one.
        assert!((k..=2 * k).contains(&size.connections), "{k} slots: {}", sizing.analysis.sentence);
        assert_eq!(
            (size.overflow, size.per_instance),
            (0, size.connections.div_ceil(2)),
            "for two instances: {size:?}"
        );
        let at = |n: u32| sizing.analysis.sizes.iter().find(|size| size.connections == n).expect("measured");
        let limit = at(8).rate_per_s.expect("a rate");
        assert!((0.6..1.05).contains(&(limit / (f64::from(k) * 25.0))), "{k} slots of 40 ms: {limit}/s");
        assert!(at(8).mean_ms > at(1).mean_ms.map(|ms| ms * 1.5), "the others wait in the database: {sizing:?}");
        assert!(at(k).queue_ms > at(8).queue_ms, "a smaller pool has them wait outside: {sizing:?}");
        assert_eq!(
            (sizing.state, sizing.cells.len()),
            (SizingState::Finished, 6 * sizing.repetitions as usize),
            "six sizes"
        );
        let order: Vec<u32> = sizing.cells.iter().map(|cell| cell.connections).collect();
        assert_ne!(order, [1, 2, 3, 4, 6, 8].repeat(sizing.repetitions as usize), "in random order");
        let locks =
            sizing.cells.iter().filter(|cell| cell.connections == 8).filter_map(|c| c.waits.as_ref()?.get("Lock"));
        assert!(locks.clone().any(|share| *share > 0.4), "most of 8 wait for a lock: {:?}", locks.collect::<Vec<_>>());
        let room = sizing.room.expect("a limit");
        assert_eq!((room.max, room.reserved), (100, 3), "{room:?}");
        assert_eq!(sizing.left_out.iter().map(|left| left.connections).collect::<Vec<_>>(), [12, 16, 24, 32, 48, 64]);
        let variables = &sizing.settings.iter().find(|s| s.kind == "environment").expect("variables").text;
        assert!(
            variables.starts_with(&format!("DB_POOL_SIZE={}\nDB_MAX_OVERFLOW=0\n", size.per_instance)),
            "{variables}"
        );
    }
    pgbouncer_takes_it(&server, &three).await;
}

/// Measures `slots` slots with an engine of its own, and looks at what is kept of it.
async fn knee(server: &Postgres, kind: u32, slots: u32) -> PoolSizing {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = support::open(dir.path()).await;
    let draft = support::draft("shop", Kind::Development, support::database(server.url()));
    let id = support::environment(&engine, draft).await;
    let request = PoolSizeRequest { instances: 2, ..asked(&id, &format!("SELECT work({kind}, {slots})")) };
    let sizing = steadily(&engine, request).await;
    let listed = pool_size::list(engine.clone(), RunList::default()).await.expect("listed");
    assert_eq!(listed.first(), Some(&sizing), "it is kept, the newest first");
    let journal = house::journal_list(engine.clone(), JournalList::default()).await.expect("the journal");
    let kinds: Vec<JournalKind> = journal.iter().map(|entry| entry.kind).take(2).collect();
    assert_eq!(kinds, [JournalKind::LoadEnded, JournalKind::LoadStarted], "newest first: {journal:?}");
    engine.shutdown().await;
    sizing
}

/// PgBouncer starts with its setting and says it is in force.
async fn pgbouncer_takes_it(server: &Postgres, sizing: &PoolSizing) {
    let told = &sizing.settings.iter().find(|setting| setting.kind == "pgbouncer").expect("PgBouncer's").text;
    let lines = told.lines().filter(|line| !line.starts_with(';') && !line.starts_with('['));
    let settings: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(" = ")).collect();
    assert_eq!(settings.len(), 4, "{told}");
    let pooler = PgBouncer::start(server, &settings).await.unwrap_or_else(|e| panic!("it starts with\n{told}: {e}"));
    let mut c = pooler.connect().await.expect("a client");
    c.ping().await.expect("it serves");
    c.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sized_is_said_and_leaves_nothing_behind() {
    let server = Postgres::start_with(&[("max_connections", "16")]).await.expect("PostgreSQL");
    server.execute(SLOTS).await.expect("a function");
    let dir = tempfile::tempdir().expect("a folder");
    let engine = support::open(dir.path()).await;
    let draft = support::draft("shop", Kind::Development, support::database(server.url()));
    let id = support::environment(&engine, draft).await;
    no_room_is_taken_from_others(&engine, &id, &server).await;
    stopped(&engine, &id, &server).await;
    not_asked_for(&engine, &id, &server).await;
    lost(&engine, &id, &server).await;
    engine.shutdown().await;
}

/// 16 connections less 3 reserved, one of somebody else, one of Perfdeck's own and two spare ones leave 9.
async fn no_room_is_taken_from_others(engine: &Arc<Engine>, id: &str, server: &Postgres) {
    let other = sqlx::PgConnection::connect(&server.url()).await.expect("somebody else");
    let request = PoolSizeRequest {
        max_connections: 16,
        measure_s: 0.4,
        objective_ms: Some(1.0),
        ..asked(id, "SELECT work(3, 100)")
    };
    let preview = pool_size::preview(engine.clone(), request.clone()).await.expect("a preview");
    assert_eq!((&preview.sizes, &preview.problem), (&vec![1, 2, 3, 4, 6, 8], &None), "{preview:?}");
    assert!((6.0..10.0).contains(&preview.seconds), "twelve cells of half a second: {preview:?}");
    let sizing = measured(engine, request).await;
    other.close().await.expect("closed");
    let room = sizing.room.expect("a limit");
    assert_eq!((room.max, room.reserved, room.others, room.own, room.free), (16, 3, 1, 1, 12), "{room:?}");
    assert!(sizing.left_out[0].why.starts_with("9 connections are free: of 16 are 3 reserved, 1 used"), "{sizing:?}");
    let why = sizing.analysis.refused.as_ref().expect("40 ms are not within 1 ms");
    assert_eq!(why.kind, RefusalKind::Objective, "{sizing:?}");
    assert!(why.reason.starts_with("no size keeps p99 within 1"), "{why:?}");
    assert!(sizing.settings.is_empty() && sizing.analysis.sizes.len() == 6, "what was measured is there: {sizing:?}");

    // The same cells without an objective: they grow to the end, and it is the database that ends them.
    let grows = PoolSizeRequest { max_connections: 16, measure_s: 0.4, ..asked(id, "SELECT work(3, 100)") };
    let why = steadily(engine, grows).await.analysis.refused.expect("it still grows");
    assert_eq!(why.kind, RefusalKind::StillGrows, "{why:?}");
    assert!(why.hint.contains("max_connections"), "what to raise: {why:?}");
}

async fn stopped(engine: &Arc<Engine>, id: &str, server: &Postgres) {
    let job = pool_size::start(engine.clone(), asked(id, "SELECT work(4, 2)")).await.expect("started");
    at_cell(engine, &job, 3).await;
    eventually(PATIENCE, async || if sessions(server).await > 0 { Ok(()) } else { Err("no session yet") }).await;
    let again = refused(engine, asked(id, "SELECT 1")).await;
    assert_eq!(again.code, ErrorCode::Conflict, "one at a time: {again:?}");
    assert!(engine.jobs().cancel(&job.id), "it can be stopped");
    let end = support::ended(engine, &job).await;
    assert_eq!(end.state, JobState::Cancelled, "{end:?}");
    eventually(PATIENCE, async || match sessions(server).await {
        0 => Ok(()),
        n => Err(n),
    })
    .await;
    let sizing = found(engine, &job).await;
    assert_eq!((sizing.state, sizing.cells.len()), (SizingState::Stopped, 2), "its two cells are kept: {sizing:?}");
    assert_eq!(sizing.analysis.refused.map(|why| why.kind), Some(RefusalKind::Unfinished), "and no size made of them");
}

async fn not_asked_for(engine: &Arc<Engine>, id: &str, server: &Postgres) {
    let live = support::draft("live", Kind::Production, support::database(server.url()));
    let live = support::environment(engine, live).await;
    let error = refused(engine, asked(&live, "SELECT 1")).await;
    assert_eq!(error.code, ErrorCode::Guarded, "a closed loop on production: {error:?}");
    for request in [
        PoolSizeRequest { repetitions: 1, ..asked(id, "SELECT 1") },
        PoolSizeRequest { measure_s: f64::NAN, ..asked(id, "SELECT 1") },
        PoolSizeRequest { objective_ms: Some(0.0), ..asked(id, "SELECT 1") },
        PoolSizeRequest { instances: 0, ..asked(id, "SELECT 1") },
    ] {
        assert_eq!(refused(engine, request).await.code, ErrorCode::BadRequest, "out of range");
    }
    let plan = "name='p'\n[[steps]]\nname='page'\nkind='http'\nurl='http://127.0.0.1:1/'";
    let spec = BenchSpec::Plan { toml: plan.to_owned(), threads: None };
    let error = refused(engine, PoolSizeRequest { spec, ..asked(id, "") }).await;
    assert!(error.message.starts_with("Step 'page' is no SQL"), "{error:?}");
    let mut others = Vec::new();
    for _ in 0..9 {
        others.push(sqlx::PgConnection::connect(&server.url()).await.expect("somebody else"));
    }
    let error = refused(engine, asked(id, "SELECT 1")).await;
    assert!(error.message.starts_with("1 size of the 4 that a law needs fit"), "{error:?}");
    for other in others {
        other.close().await.expect("closed");
    }
}

/// The server ends in the middle: what was measured until then is kept, as unfinished.
async fn lost(engine: &Arc<Engine>, id: &str, server: &Postgres) {
    let job = pool_size::start(engine.clone(), asked(id, "SELECT work(5, 2)")).await.expect("started");
    at_cell(engine, &job, 3).await;
    let elsewhere = format!("{}/postgres", server.url().rsplit_once('/').expect("a database").0);
    let mut c = sqlx::PgConnection::connect(&elsewhere).await.expect("a connection");
    let closed = sqlx::raw_sql("ALTER DATABASE app ALLOW_CONNECTIONS false").execute(&mut c).await;
    closed.expect("closed to all that come");
    c.close().await.expect("closed");
    let sizing = found(engine, &job).await;
    assert_eq!(sizing.state, SizingState::Ended, "{sizing:?}");
    assert!(sizing.ended_because.is_some() && (2..12).contains(&sizing.cells.len()), "{sizing:?}");
    assert_eq!(sizing.analysis.refused.map(|why| why.kind), Some(RefusalKind::Unfinished));
}

//! A build of PostgreSQL that is stopped in each of its phases: no invalid index is left, or it is said to be and offered to be taken away.
//!
//! Each phase is held where the server waits for something, so that none depends on how fast the machine is. Phases that wait for
//! nothing, sorting and loading tuples, cannot be held.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::{Engine, IndexText, changes};
use perfdeck_model::{ChangeOffer, ChangeState, Says};
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _};
use perfdeck_testkit::{PostgresDatabase, eventually, shared_postgres};

use tokio::sync::Mutex;

use super::create::{catalogue, plan, text};
use super::support::{apply, by_id, changed, confirmed, open, says, undo};
use super::{environment, valid};

/// `gate` lets a row through while nobody holds the gate of its kind: 1, and 2 for what is inserted later.
const TABLES: &str = "
    CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT n, n FROM generate_series(1, 100) n;
    CREATE FUNCTION gate(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(7, CASE WHEN n < 1000 THEN 1 ELSE 2 END); RETURN n; END';
    CREATE TABLE other (a int)";

const WRITES: &str = "BEGIN; UPDATE t SET a = a WHERE id = 1";
const BUILDING: &str = "building index: scanning table";
const BEFORE_VALIDATION: &str = "waiting for writers before validation";
/// Reads the index alone, before it is valid, and stays on its page; it is rolled back.
const STAYS: &str = "
    BEGIN; UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'ix_t_a'::regclass;
    SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
    DECLARE c CURSOR FOR SELECT a FROM t WHERE gate(a) > 0 AND a > 0 ORDER BY a; FETCH 1 FROM c";

/// A step on the way to a phase.
enum Step {
    /// Somebody does something in a session that stays.
    Does(&'static str),
    /// The build comes to a phase.
    Comes(&'static str),
    /// The session of that number ends.
    Ends(usize),
}
use Step::{Comes, Does, Ends};

struct Phase {
    name: &'static str,
    steps: &'static [Step],
    /// Whether somebody keeps what is left from being taken away at once.
    leaves: bool,
}

const PHASES: [Phase; 6] = [
    Phase { name: "waiting for writers before build", steps: &[Does(WRITES)], leaves: true },
    Phase { name: BUILDING, steps: &[Does("SELECT pg_advisory_lock(7, 1)")], leaves: false },
    Phase {
        name: BEFORE_VALIDATION,
        steps: &[Does("SELECT pg_advisory_lock(7, 1)"), Comes(BUILDING), Does(WRITES), Ends(0)],
        leaves: true,
    },
    Phase {
        name: "index validation: scanning index",
        steps: &[
            Does("SELECT pg_advisory_lock(7, 1)"),
            Comes(BUILDING),
            Does(WRITES),
            Ends(0),
            Comes(BEFORE_VALIDATION),
            Does(STAYS),
            Ends(1),
        ],
        leaves: true,
    },
    Phase {
        // Of the rows, those are looked at that came while it was built.
        name: "index validation: scanning table",
        steps: &[
            Does("SELECT pg_advisory_lock(7, 1)"),
            Does("SELECT pg_advisory_lock(7, 2)"),
            Comes(BUILDING),
            Does("INSERT INTO t VALUES (2000, 2000)"),
            Ends(0),
        ],
        leaves: false,
    },
    Phase {
        // A snapshot of whatever it is.
        name: "waiting for old snapshots",
        steps: &[Does("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM other")],
        leaves: false,
    },
];

/// Waits until a session of the database is in a phase of a build.
pub(super) async fn comes(server: &PostgresDatabase, phase: &str) {
    let sql = "SELECT coalesce(string_agg(phase, ', '), 'no build') FROM pg_stat_progress_create_index
               WHERE datname = current_database()";
    let c = Mutex::new(server.connect().await.expect("a session"));
    eventually(Duration::from_secs(30), async || {
        let now: String = sqlx::query_scalar(sql).fetch_one(&mut *c.lock().await).await.expect("the phase");
        if now == phase { Ok(()) } else { Err(format!("it is at '{now}', not '{phase}'")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_each_phase_it_leaves_nothing_or_says_what() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    // All at once: most of the time of each is a wait.
    futures_util::future::join_all(PHASES.iter().map(|phase| stopped_in(&engine, phase))).await;
    engine.shutdown().await;
}

async fn stopped_in(engine: &Arc<Engine>, &Phase { name, steps, leaves }: &Phase) {
    let server = shared_postgres().await.expect("PostgreSQL");
    server.execute(TABLES).await.expect("tables");
    let id = environment(engine, name, &server.url()).await;
    let before = catalogue(&server).await;
    let mut sessions = Vec::new();
    let asked = IndexText { predicate: Some("public.gate(a) > 0".into()), ..text("t", &["a"]) };
    let planned = plan(engine, &id, asked).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut job = None;
    for step in steps {
        match step {
            Does(sql) => {
                let mut c = server.connect().await.expect("a session");
                c.execute(*sql).await.unwrap_or_else(|e| panic!("{name}: {sql}: {e}"));
                sessions.push(Some(c));
            }
            Comes(at) => {
                if job.is_none() {
                    job = Some(changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts"));
                }
                comes(&server, at).await;
            }
            Ends(number) => sessions[*number].take().expect("it is there").close().await.expect("closed"),
        }
    }
    let job = match job {
        Some(job) => job,
        None => changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts"),
    };
    comes(&server, name).await;
    eventually(Duration::from_secs(10), async || {
        let step = engine.jobs().get(&job.id).map(|j| j.step).unwrap_or_default();
        // Who it waits for is told rather than what for.
        if step == name || step.starts_with("waits for session ") { Ok(()) } else { Err(step) }
    })
    .await;
    perfdeck_engine::house::job_cancel(engine.clone(), by_id(&job.id)).await.expect("cancelled");
    changed(engine, &planned.id, &job).await.expect_err("it was stopped");
    let told = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked").change;
    let left = catalogue(&server).await != before;
    assert_eq!(left, leaves, "{name}: {told:?}");
    for session in sessions.into_iter().flatten() {
        session.close().await.expect("closed");
    }
    if left {
        assert_eq!((told.state, says(&told)), (ChangeState::CutOff, Some(Says::HalfDone)), "{name}: {told:?}");
        assert_eq!(told.offers, [ChangeOffer::Finish, ChangeOffer::CleanUp], "{name}");
        assert_eq!(valid(&server, "ix_t_a").await, Some(false), "{name}: that is what was left");
        if name == BEFORE_VALIDATION {
            apply(engine, &planned.id, None).await.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(valid(&server, "ix_t_a").await, Some(true), "{name}: brought to its end");
        }
        undo(engine, &planned.id).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    } else {
        assert_eq!((told.state, says(&told)), (ChangeState::Failed, Some(Says::AsBefore)), "{name}: {told:?}");
    }
    assert_eq!(catalogue(&server).await, before, "{name}: as before");
}

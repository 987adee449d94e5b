//! A build of PostgreSQL that is stopped at some moment, or fails, in a database that nobody else uses: nothing of it is left.
use std::time::Duration;

use perfdeck_engine::changes;
use perfdeck_model::{ChangeState, Says};
use perfdeck_testkit::sqlx::{self, Connection as _};
use perfdeck_testkit::{PostgresDatabase, eventually, shared_postgres};

use super::create::{catalogue, plan, text};
use super::environment;
use crate::support::{apply, by_id, change, changed, confirmed, open, says, undo};

/// Moments at which a build is stopped.
const MOMENTS: u32 = 8;
/// Rows that sort into many files, which take their time to be taken away; the last one is too large for a key.
const TABLES: &str = "
    CREATE TABLE big AS SELECT n AS id, md5(n::text) AS a, md5((-n)::text) AS b FROM generate_series(1, 150000) n;
    CREATE TABLE wide AS SELECT a AS body FROM big;
    INSERT INTO wide SELECT string_agg(md5(n::text), '') FROM generate_series(1, 400) n";

/// Waits until this share of the table was read for an index, or all of it.
async fn read(server: &PostgresDatabase, share: f64) {
    let sql = "SELECT count(*) FROM pg_stat_progress_create_index
               WHERE datname = current_database() AND (phase LIKE 'building index: %' AND phase <> 'building index: scanning table'
                     OR phase LIKE 'index validation%' OR blocks_done >= $1 * blocks_total AND blocks_total > 0)";
    eventually(Duration::from_secs(60), async || {
        let mut c = server.connect().await.expect("a session");
        let reached = sqlx::query_scalar::<_, i64>(sql).bind(share).fetch_one(&mut c).await.expect("the progress");
        c.close().await.expect("closed");
        reached > 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_stopped_at_any_moment_or_fails_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    // Sorts write files. Sessions that others leave idle are ended, and Perfdeck's second one looks twice a second.
    server
        .execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET maintenance_work_mem = ''1MB''', current_database());
                         EXECUTE format('ALTER DATABASE %I SET idle_session_timeout = ''300ms''', current_database()); END $$",
        )
        .await
        .expect("set");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = catalogue(&server).await;
    let mut stopped = 0;
    for moment in 0..MOMENTS {
        let planned = plan(&engine, &id, text("big", &["a", "b"])).await.expect("planned");
        let job = changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
        read(&server, f64::from(moment) / f64::from(MOMENTS)).await;
        perfdeck_engine::house::job_cancel(engine.clone(), by_id(&job.id)).await.expect("cancelled");
        match changed(&engine, &planned.id, &job).await {
            // It was through before the server was told.
            Ok(made) => {
                assert_eq!((made.state, says(&made)), (ChangeState::Verified, Some(Says::AsApplied)), "{made:?}");
                undo(&engine, &planned.id).await.expect("undone");
            }
            Err(_) => {
                let told = change(&engine, &planned.id).await;
                assert_eq!(
                    (told.state, says(&told)),
                    (ChangeState::Failed, Some(Says::AsBefore)),
                    "{moment}: {told:?}"
                );
                stopped += 1;
            }
        }
        assert_eq!(catalogue(&server).await, before, "stopped at {moment} of {MOMENTS}");
    }
    assert!(stopped > MOMENTS / 2, "{stopped} were stopped");
    for time in 1..=3 {
        let planned = plan(&engine, &id, text("wide", &["body"])).await.expect("planned");
        let failed = apply(&engine, &planned.id, None).await.expect_err("a row is too large");
        assert_eq!(failed.message, "A row is too large for this kind of index");
        let told = change(&engine, &planned.id).await;
        assert_eq!((told.state, says(&told)), (ChangeState::Failed, Some(Says::AsBefore)), "{told:?}");
        assert_eq!(catalogue(&server).await, before, "failed {time} times");
    }
    engine.shutdown().await;
}

//! Measurements of bloat, as jobs.
use std::time::Duration;

use perfdeck_engine::database::{self, BloatRequest, SizesRequest};
use perfdeck_model::{JobResult, JobState, Kind};
use perfdeck_testkit::sqlx::{Connection as _, Executor as _, Row as _};
use perfdeck_testkit::{PgBouncer, Postgres, eventually};

use crate::activity::environment;
use crate::support::open;

/// Statements of a measurement that the server has at work.
async fn measuring(server: &Postgres) -> i64 {
    let mut c = server.connect().await.expect("a session");
    let asked = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pgstatindex(%'
                 AND pid <> pg_backend_pid()";
    let found = c.fetch_one(asked).await.expect("counted").get(0);
    c.close().await.expect("closed");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measurement_of_bloat_is_kept_and_a_stopped_one_ends_on_the_server() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    server
        .execute("CREATE EXTENSION pgstattuple; CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 5000); CREATE INDEX t_a ON t (a)")
        .await
        .expect("an index");
    let id = environment(&engine, "clinic", Kind::Production, &server.url()).await;
    let request = || BloatRequest { environment_id: id.clone(), index: "public.t_a".to_owned() };
    let start = async || database::db_measure_bloat(engine.clone(), request()).await.expect("a job");

    let job = start().await;
    let end = engine.jobs().wait(&job.id).await.expect("an end");
    assert_eq!(end.result, Some(JobResult::Bloat("public.t_a".to_owned())), "{end:?}");
    let kept =
        database::db_bloat(engine.clone(), request()).await.expect("its cost").measured.expect("what was measured");
    let mut c = server.connect().await.expect("a session");
    let density: f64 = c.fetch_one("SELECT avg_leaf_density FROM pgstatindex('t_a')").await.expect("measured").get(0);
    assert!((kept.density * 100.0 - density).abs() < 1e-9 && kept.at_ms > 0.0, "{kept:?}, {density}");
    let asked = SizesRequest { environment_id: id.clone(), limit: None };
    let sizes = database::db_sizes(engine.clone(), asked).await.expect("sizes");
    assert_eq!(sizes.tables[0].indexes[0].measured, Some(kept), "it is in the list");
    assert_eq!(sizes.tables[0].growth, None, "nothing was kept before");

    // One that takes long, stopped in its middle.
    c.execute(
        "CREATE OR REPLACE FUNCTION public.pgstatindex(relname regclass, OUT version int, OUT tree_level int,
            OUT index_size bigint, OUT root_block_no bigint, OUT internal_pages bigint, OUT leaf_pages bigint,
            OUT empty_pages bigint, OUT deleted_pages bigint, OUT avg_leaf_density float8, OUT leaf_fragmentation float8)
         AS $$ BEGIN PERFORM pg_sleep(50); END $$ LANGUAGE plpgsql",
    )
    .await
    .expect("a slow one");
    let job = start().await;
    eventually(Duration::from_secs(15), async || measuring(&server).await == 1).await;
    assert_eq!(start().await.id, job.id, "who asks again follows the one that runs");
    assert!(engine.jobs().cancel(&job.id), "it can be stopped");
    let end = engine.jobs().wait(&job.id).await.expect("an end");
    assert_eq!((end.state, end.result), (JobState::Cancelled, None), "it was stopped");
    assert_eq!(measuring(&server).await, 0, "nothing goes on at the server");

    // Through a pooler, which hides which session has it.
    let settings = [("pool_mode", "transaction"), ("default_pool_size", "4")];
    let bouncer = PgBouncer::start(&server, &settings).await.expect("PgBouncer");
    let id = environment(&engine, "pooled", Kind::Development, &bouncer.url()).await;
    let request = BloatRequest { environment_id: id, index: "public.t_a".to_owned() };
    let job = database::db_measure_bloat(engine.clone(), request).await.expect("a job");
    eventually(Duration::from_secs(15), async || measuring(&server).await == 1).await;
    engine.jobs().cancel(&job.id);
    engine.jobs().wait(&job.id).await.expect("an end");
    assert_eq!(measuring(&server).await, 0, "nothing goes on at the server");
    engine.shutdown().await;
}

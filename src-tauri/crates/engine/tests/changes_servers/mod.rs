//! Indexes as changes on servers. Here: what of PostgreSQL's is not dropped, with the reason that is true, and what is dropped
//! though it is unusual.
mod advised;
mod asked_again;
mod create;
mod dropped;
mod file;
mod full;
mod killed;
mod mariadb;
mod partitions;
mod phases;
mod restarted;
mod taken_away;
mod useless;

use std::sync::Arc;
use std::time::Duration;

use crate::support::{apply, changed, confirmed, open, plan_drop as plan, undo};
use perfdeck_engine::database::{IndexesRequest, db_indexes};
use perfdeck_engine::{Engine, changes};
use perfdeck_model::{DatabaseIndexes, Kind};
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _, Row as _};
use perfdeck_testkit::{PostgresDatabase, eventually, shared_postgres};

async fn environment(engine: &Arc<Engine>, name: &str, database: &str) -> String {
    crate::support::environment(
        engine,
        crate::support::draft(name, Kind::Development, crate::support::database(database.to_owned())),
    )
    .await
}

async fn findings(engine: &Arc<Engine>, id: &str) -> DatabaseIndexes {
    let asked = IndexesRequest {
        environment_id: id.to_owned(),
        kinds: Vec::new(),
        table: None,
        standbys: Vec::new(),
        limit: None,
    };
    db_indexes(engine.clone(), asked).await.expect("findings")
}

async fn valid(server: &PostgresDatabase, name: &str) -> Option<bool> {
    let sql = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)";
    let mut c = server.connect().await.expect("a session");
    let found = sqlx::query_scalar(sql).bind(name).fetch_optional(&mut c).await.expect("the catalogue");
    c.close().await.expect("closed");
    found
}

const TABLES: &str = "
    CREATE TABLE t (a int, w tsvector, n int, x int); INSERT INTO t SELECT n, NULL, n, n FROM generate_series(1, 500) n;
    CREATE INDEX w1 ON t USING gist (w); CREATE INDEX w2 ON t USING gist (w tsvector_ops (siglen = 100));
    CREATE INDEX n1 ON t USING brin (n); CREATE INDEX n2 ON t USING brin (n) WITH (pages_per_range = 4);
    CREATE INDEX a1 ON t (a); CREATE INDEX a2 ON t (a) WITH (deduplicate_items = off);
    CREATE INDEX x1 ON t (x); CREATE INDEX x2 ON t (x) WITH (fillfactor = 70); CREATE INDEX x3 ON t (x);
    ALTER INDEX x3 DEPENDS ON EXTENSION plpgsql;
    CREATE TABLE par (id int); CREATE UNIQUE INDEX par_id ON par (id); CREATE UNIQUE INDEX par_id2 ON par (id);
    CREATE TABLE ch (a int CONSTRAINT ch_a_fkey REFERENCES par (id));
    CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a; CREATE INDEX mv1 ON mv (a); CREATE INDEX mv2 ON mv (a)";

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_dropped_is_refused_for_the_reason_that_is_true() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    // What CREATE INDEX CONCURRENTLY leaves when rows that are alike keep it from being built.
    server
        .execute("CREATE TABLE alike (a int); INSERT INTO alike VALUES (1), (1); CREATE INDEX al ON alike (a)")
        .await
        .expect("rows");
    server.execute("CREATE UNIQUE INDEX CONCURRENTLY al_ccnew ON alike (a)").await.expect_err("they are alike");
    assert_eq!(valid(&server, "al_ccnew").await, Some(false), "it is left");
    let id = environment(&engine, "clinic", &server.url()).await;
    let needed = if plan(&engine, &id, "par_id").await.is_err() { "par_id" } else { "par_id2" };
    for (name, why) in [
        ("x3", "depends on the extension 'plpgsql'"),
        (needed, "The constraint 'ch_a_fkey' of public.ch rests on 'public.par_id"),
    ] {
        let refused = plan(&engine, &id, name).await.expect_err(name);
        assert!(refused.message.contains(why), "{name}: {}", refused.message);
    }
    for (name, difference) in [
        ("w2", "`public.w1` has the same keys and other options (none; this one: siglen=100)"),
        ("n1", "`public.n2` has the same keys and other options (pages_per_range=4; this one: none)"),
        ("a2", "`public.a1` has the same keys and other options (none; this one: deduplicate_items=off)"),
    ] {
        let planned = plan(&engine, &id, name).await.expect("it enforces nothing");
        assert!(!planned.title.contains("repeats"), "it repeats none: {}", planned.title);
        assert!(planned.notes.iter().any(|n| n == difference), "{name}: {:?}", planned.notes);
    }
    let planned = plan(&engine, &id, "x2").await.expect("another fillfactor alone");
    assert!(planned.notes.iter().any(|n| n.contains("differ in fillfactor alone")), "it is said: {:?}", planned.notes);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_could_not_undo_it_or_only_reads_drops_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server
        .execute(
            "CREATE ROLE owner LOGIN PASSWORD 'owner'; CREATE TABLE t (a int); ALTER TABLE t OWNER TO owner;
             CREATE INDEX one ON t (a); CREATE INDEX two ON t (a); REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        )
        .await
        .expect("tables");
    let id = environment(&engine, "owner", &server.url_as("owner", "owner")).await;
    let refused = plan(&engine, &id, "two").await.expect_err("it could not be undone");
    assert!(refused.message.contains("lacks CREATE on the schema \"public\""), "{refused}");
    assert_eq!(refused.hint.as_deref(), Some("GRANT CREATE ON SCHEMA \"public\" TO \"owner\";"), "what to do");

    server.execute("GRANT CREATE ON SCHEMA public TO owner").await.expect("granted");
    let planned = plan(&engine, &id, "two").await.expect("it can be undone");
    server.execute("ALTER ROLE owner SET default_transaction_read_only = on").await.expect("read-only");
    let refused = apply(&engine, &planned.id, None).await.expect_err("it only reads");
    assert!(refused.message.contains("default_transaction_read_only is on"), "{refused}");
    assert_eq!(valid(&server, "two").await, Some(true), "nothing was sent");

    server.execute("ALTER ROLE owner RESET default_transaction_read_only").await.expect("reset");
    let planned = plan(&engine, &id, "two").await.expect("planned");
    apply(&engine, &planned.id, None).await.expect("dropped");
    server.execute("REVOKE CREATE ON SCHEMA public FROM owner").await.expect("revoked in between");
    let refused = undo(&engine, &planned.id).await.expect_err("it may not");
    assert!(refused.message.contains("lacks CREATE on the schema \"public\""), "{refused}");
    server.execute("GRANT CREATE ON SCHEMA public TO owner").await.expect("granted");
    undo(&engine, &planned.id).await.expect("then it is undone");
    assert_eq!(valid(&server, "two").await, Some(true), "it is back");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_materialized_view_s_index_goes_and_comes_and_a_cancelled_build_is_said_to_be_cancelled() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    let planned = plan(&engine, &id, "mv2").await.expect("planned");
    apply(&engine, &planned.id, None).await.expect("dropped");
    assert_eq!(valid(&server, "mv2").await, None, "it is gone");
    undo(&engine, &planned.id).await.expect("undone");
    assert_eq!(valid(&server, "mv2").await, Some(true), "it is back");

    let planned = plan(&engine, &id, "x2").await.expect("planned");
    apply(&engine, &planned.id, None).await.expect("dropped");
    // A transaction that wrote to the table: the build waits for its end.
    let mut old = server.connect().await.expect("a session");
    old.execute("BEGIN; INSERT INTO t (a) VALUES (1)").await.expect("an old transaction");
    let job = changes::undo(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
    eventually(Duration::from_secs(10), async || {
        let sql = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active'
                     AND wait_event_type = 'Lock'";
        let mut c = server.connect().await.expect("a session");
        sqlx::query(sql).fetch_one(&mut c).await.expect("sessions").get::<i64, _>(0) == 1
    })
    .await;
    let failed = changed(&engine, &planned.id, &job).await.expect_err("it was cancelled");
    assert!(failed.message.contains("Somebody cancelled the statement"), "{failed}");
    old.execute("ROLLBACK").await.expect("it ends");
    engine.shutdown().await;
}

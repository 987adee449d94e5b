//! An index of a partitioned table of PostgreSQL: built partition by partition, brought to its end when it was cut off, and gone
//! when it is undone.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::{Engine, changes};
use perfdeck_model::{ChangeOffer, ChangeState, JobState, Says};
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _};
use perfdeck_testkit::{PostgresDatabase, eventually, shared_postgres};

use super::create::{plan, text};
use super::support::{apply, change, confirmed, open, says, undo};
use super::{environment, valid};

const TABLES: &str = "
    CREATE TABLE parts (a int, b int, note text) PARTITION BY RANGE (a);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE \"parts \"\"2\" PARTITION OF parts FOR VALUES FROM (10) TO (20) PARTITION BY LIST (b);
    CREATE TABLE parts_2_odd PARTITION OF \"parts \"\"2\" FOR VALUES IN (1); CREATE TABLE parts_2_rest PARTITION OF \"parts \"\"2\" DEFAULT;
    CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM (20) TO (30);
    CREATE INDEX own ON parts_3 (b);
    INSERT INTO parts SELECT n % 30, n % 3, n::text FROM generate_series(1, 3000) n; ANALYZE;
    CREATE TABLE empty (a int) PARTITION BY RANGE (a)";

async fn catalogue(server: &PostgresDatabase) -> Vec<String> {
    let mut c = server.connect().await.expect("a session");
    let sql = "SELECT pg_get_indexdef(i.indexrelid) || indisvalid || coalesce(h.inhparent::regclass::text, '-') FROM pg_index i
               JOIN pg_class c ON c.oid = indrelid LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
               WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1";
    let all = sqlx::query_scalar(sql).fetch_all(&mut c).await.expect("the catalogue");
    c.close().await.expect("closed");
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn each_partition_gets_its_own_beside_reads_and_writes_and_all_of_them_go_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = catalogue(&server).await;
    let planned = plan(&engine, &id, text("parts", &["b", "lower(note)"])).await.expect("planned");
    let lines: Vec<&str> = planned.statement.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * 5, "the parent, and each partition twice: {}", planned.statement);
    assert!(lines[0].starts_with("CREATE INDEX \"ix_parts_b_lower_note\" ON ONLY public.parts "), "{}", lines[0]);
    assert_eq!(lines.iter().filter(|l| l.starts_with("CREATE INDEX CONCURRENTLY")).count(), 4, "one a leaf");
    assert_eq!(planned.undo_statement.as_deref(), Some("DROP INDEX \"public\".\"ix_parts_b_lower_note\""));
    assert_eq!(catalogue(&server).await, before, "nothing is sent by a plan");

    let made = apply(&engine, &planned.id, None).await.expect("created");
    assert_eq!((made.state, says(&made)), (ChangeState::Verified, Some(Says::AsApplied)));
    assert_eq!(valid(&server, "ix_parts_b_lower_note").await, Some(true), "the parent's is valid");
    let now = catalogue(&server).await;
    assert_eq!(now.len(), before.len() + 6);
    assert!(now.iter().all(|line| line.contains("true")), "all of them: {now:?}");
    let again = plan(&engine, &id, text("parts", &["b"])).await.expect("another one");
    let done = apply(&engine, &again.id, None).await.expect("created");
    assert_eq!(done.state, ChangeState::Verified);
    let twice = plan(&engine, &id, text("parts", &["b"])).await.expect_err("it is there");
    assert!(twice.message.contains("'public.ix_parts_b' is such an index already"), "{twice}");
    for id in [&again.id, &planned.id] {
        let undone = undo(&engine, id).await.expect("undone");
        assert_eq!(undone.state, ChangeState::Undone);
    }
    assert_eq!(catalogue(&server).await, before, "and a partition's own index stays");

    // Without partitions the parent's is valid at once; one that comes later has it from the server.
    let planned = plan(&engine, &id, text("empty", &["a"])).await.expect("planned");
    apply(&engine, &planned.id, None).await.expect("created");
    assert_eq!(valid(&server, "ix_empty_a").await, Some(true));
    undo(&engine, &planned.id).await.expect("undone");
    let planned = plan(&engine, &id, text("empty", &["a"])).await.expect("planned");
    server.execute("CREATE TABLE empty_1 PARTITION OF empty FOR VALUES FROM (0) TO (9)").await.expect("a partition");
    let refused = apply(&engine, &planned.id, None).await.expect_err("it is not in the plan");
    assert!(refused.message.contains("public.empty_1 became a partition of public.empty after the plan"), "{refused}");
    server.execute("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w").await.expect("a server");
    server
        .execute("CREATE FOREIGN TABLE far_1 PARTITION OF empty FOR VALUES FROM (20) TO (29) SERVER far")
        .await
        .expect("a foreign partition");
    let refused = plan(&engine, &id, text("empty", &["a"])).await.expect_err("it has no indexes");
    assert!(refused.message.contains("public.far_1, a partition of public.empty, is a foreign table"), "{refused}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_stopped_in_the_middle_is_half_done_and_is_finished_or_taken_away() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(dir.path()).await;
    futures_util::future::join_all([true, false].map(|finish| stopped(&engine, finish))).await;
    engine.shutdown().await;
}

async fn stopped(engine: &Arc<Engine>, finish: bool) {
    let server = shared_postgres().await.expect("PostgreSQL");
    server.execute(TABLES).await.expect("tables");
    let id = environment(engine, if finish { "finished" } else { "taken away" }, &server.url()).await;
    let before = catalogue(&server).await;
    let planned = plan(engine, &id, text("parts", &["b"])).await.expect("planned");
    // Somebody who wrote to the last partition: its build waits for the end of that, the others are through.
    let mut old = server.connect().await.expect("a session");
    old.execute("BEGIN; UPDATE parts_3 SET note = 'x' WHERE a = 21").await.expect("an old transaction");
    // Making the parent's takes a lock that writes to the parent would wait for, so that this writes to the partition alone.
    let job = changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
    eventually(Duration::from_secs(20), async || {
        engine.jobs().get(&job.id).is_some_and(|j| j.step.contains("of 5: waits for session"))
    })
    .await;
    assert!(engine.jobs().cancel(&job.id), "it can be stopped");
    assert_eq!(engine.jobs().wait(&job.id).await.expect("known").state, JobState::Cancelled);
    let cut = change(engine, &planned.id).await;
    assert_eq!((cut.state, says(&cut)), (ChangeState::CutOff, Some(Says::HalfDone)), "{cut:?}");
    assert_eq!(cut.offers, [ChangeOffer::Finish, ChangeOffer::CleanUp]);
    let text = cut.target_says.map(|t| t.text).unwrap_or_default();
    assert!(text.starts_with("not valid: ") && text.contains(" of 4 partitions have it"), "{text}");
    old.execute("ROLLBACK").await.expect("it ends");
    if finish {
        let done = apply(engine, &planned.id, None).await.expect("brought to its end");
        assert_eq!((done.state, valid(&server, "ix_parts_b").await), (ChangeState::Verified, Some(true)));
        undo(engine, &planned.id).await.expect("undone");
    } else {
        let clean = undo(engine, &planned.id).await.expect("taken away");
        assert_eq!(clean.state, ChangeState::Undone);
    }
    assert_eq!(catalogue(&server).await, before, "as before");
}

//! An index of PostgreSQL that no other one repeats: what enforces something stays, what does not goes with what is known of it,
//! and what a build left invalid is cleaned up.
use std::time::Duration;

use perfdeck_engine::changes;
use perfdeck_model::{ChangeOffer, ChangeState, Says};
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _, Row as _};
use perfdeck_testkit::{Postgres, PostgresDatabase, eventually, shared_postgres};

use super::support::{apply, by_id, open, plan_drop as plan, says, undo};
use super::{environment, findings, valid};

const TABLES: &str = "
    CREATE TABLE customers (id int PRIMARY KEY);
    CREATE TABLE t (id int PRIMARY KEY, a int, b int, c text, customer_id int CONSTRAINT of_customer REFERENCES customers);
    INSERT INTO t SELECT n, n % 100, n % 7, n::text FROM generate_series(1, 2000) n;
    CREATE INDEX unused ON t (b); CREATE INDEX begins ON t (a); CREATE INDEX wider ON t (a, b);
    CREATE INDEX of_key ON t (customer_id); CREATE INDEX of_expression ON t (lower(c)); CREATE UNIQUE INDEX strong ON t (c);
    CREATE INDEX marked ON t (c, a); COMMENT ON INDEX marked IS 'why'; CLUSTER t USING marked;
    CREATE TABLE \"Odd \"\"One\" (\"ü\" int); ANALYZE";

/// What the catalogue has of an index: its definition, whether it is valid, whether the table is ordered by it, its comment.
async fn catalogue(server: &PostgresDatabase) -> Vec<String> {
    let mut c = server.connect().await.expect("a session");
    let sql = "SELECT pg_get_indexdef(indexrelid) || indisvalid || indisclustered || coalesce(obj_description(indexrelid), '-')
               FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1";
    let all = sqlx::query_scalar(sql).fetch_all(&mut c).await.expect("the catalogue");
    c.close().await.expect("closed");
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_enforces_nothing_goes_with_what_is_known_of_it_and_comes_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let long = format!("{}_index_of_63_bytes_with_ü", "x".repeat(63 - 26));
    server.execute(&format!("CREATE INDEX \"{long}\" ON \"Odd \"\"One\" (\"ü\")")).await.expect("an odd one");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = catalogue(&server).await;
    let quoted = format!("public.\"{long}\"");
    for (name, title, note) in [
        ("unused", "Drop `public.unused`", "No other index has its keys"),
        ("begins", "Drop `public.begins`, the beginning of `public.wider`", "`public.wider` begins with its keys"),
        ("of_key", "Drop `public.of_key`", "find rows by it, which no scan counts: `of_customer`"),
        ("of_expression", "Drop `public.of_expression`", "values of its expression"),
        ("marked", "Drop `public.marked`", "undoing marks it again"),
        (quoted.as_str(), "Drop `public.\"", "No other index has its keys"),
    ] {
        let planned = plan(&engine, &id, name).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(planned.title.starts_with(title), "{}", planned.title);
        assert!(planned.notes.iter().any(|n| n.contains(note)), "{name}: {:?}", planned.notes);
        let told = |what: &str| planned.preview.iter().any(|row| row.what == what && row.predicted.is_some());
        assert!(told("Scans of it so far") && told("Rows read by it so far"), "{:?}", planned.preview);
        assert!(planned.notes.iter().any(|n| n.starts_with("Its scans were counted for")), "{:?}", planned.notes);
        let gone = apply(&engine, &planned.id, None).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((gone.state, says(&gone)), (ChangeState::Verified, Some(Says::AsApplied)), "{name}");
        assert_eq!(catalogue(&server).await.len(), before.len() - 1, "{name} is gone");
        undo(&engine, &planned.id).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(catalogue(&server).await, before, "{name} is back, with its comment and its mark");
    }
    let refused = plan(&engine, &id, "strong").await.expect_err("it enforces something");
    assert!(refused.message.contains("keeps rows of public.t from being alike"), "{refused}");

    // What was planned because another one repeats it is not dropped when that one is gone.
    server.execute("CREATE INDEX unused2 ON t (b)").await.expect("a copy");
    let planned = plan(&engine, &id, "unused2").await.expect("it repeats one");
    server.execute("DROP INDEX unused").await.expect("the other goes");
    let refused = apply(&engine, &planned.id, None).await.expect_err("it is the last");
    assert!(refused.message.contains("repeats no other valid index"), "{refused}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_build_left_is_cleaned_up_and_a_standby_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    // Its own: those who follow a server are told to whoever asks about a database of it.
    let (engine, primary) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    let server = primary.app();
    server.execute("CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 1), (1, 2)").await.expect("a table");
    server.execute("CREATE UNIQUE INDEX CONCURRENTLY left_over ON t (a)").await.expect_err("rows are alike");
    assert_eq!(valid(&server, "left_over").await, Some(false));
    let id = environment(&engine, "clinic", &server.url()).await;
    // It is found, and the finding leads to the change.
    let told = findings(&engine, &id).await;
    let opens = told
        .findings
        .iter()
        .find(|f| f.object == "public.left_over")
        .expect("it is found")
        .finding
        .action
        .opens
        .clone();
    let change = perfdeck_model::FindingTarget::Change { kind: "drop_index".into(), object: "public.left_over".into() };
    assert_eq!(opens, change);

    let planned = plan(&engine, &id, "left_over").await.expect("planned");
    assert_eq!((planned.title.as_str(), planned.undo_statement), ("Drop `public.left_over`, which is invalid", None));
    assert!(
        planned.notes.iter().any(|n| n.contains("CREATE UNIQUE INDEX CONCURRENTLY left_over")),
        "{:?}",
        planned.notes
    );
    let asked = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked").change;
    assert_eq!((says(&asked), asked.offers), (Some(Says::AsBefore), vec![ChangeOffer::Apply, ChangeOffer::Discard]));
    let gone = apply(&engine, &planned.id, None).await.expect("cleaned up");
    assert_eq!((gone.state, valid(&server, "left_over").await), (ChangeState::Kept, None), "nothing is left to choose");

    // One that became valid since is not what was planned.
    server.execute("CREATE UNIQUE INDEX CONCURRENTLY left_over ON t (a)").await.expect_err("rows are alike");
    let planned = plan(&engine, &id, "left_over").await.expect("planned");
    server.execute("DELETE FROM t; REINDEX INDEX left_over").await.expect("it is built");
    let refused = apply(&engine, &planned.id, None).await.expect_err("it is valid");
    assert!(refused.message.contains("valid by now"), "{refused}");
    assert_eq!(valid(&server, "left_over").await, Some(true));

    let standby = primary.standby().await.expect("a standby");
    let other = environment(&engine, "standby", &standby.url()).await;
    let refused = plan(&engine, &other, "left_over").await.expect_err("it takes no changes");
    assert!(refused.message.contains("is a standby and takes no changes") && refused.hint.is_some(), "{refused}");
    let mut c = server.connect().await.expect("a session");
    c.execute("CREATE INDEX plain ON t (b)").await.expect("an index");
    eventually(Duration::from_secs(10), async || {
        let planned = plan(&engine, &id, "plain").await.expect("planned");
        planned.notes.iter().any(|n| n.starts_with("1 other server follows this server"))
    })
    .await;
    let row = c.fetch_one("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await.expect("the catalogue");
    assert_eq!(row.get::<i64, _>(0), 0, "nothing is left");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_key_without_an_index_leads_to_the_index() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server
        .execute("CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE \"Chi;ld\" (x int, \"par ent\" int REFERENCES parent)")
        .await
        .expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    let missing = async || {
        let told = findings(&engine, &id).await.findings;
        told.into_iter().find(|f| f.kind == perfdeck_model::IndexFindingKind::ForeignKey)
    };
    let found = missing().await.expect("it is found");
    let perfdeck_model::FindingTarget::Change { kind, object } = found.finding.action.opens.clone() else {
        panic!("it leads to a change: {found:?}")
    };
    let asked = changes::ChangePlan { kind, environment_id: id.clone(), object };
    let planned = changes::plan(engine.clone(), asked).await.expect("planned").change;
    apply(&engine, &planned.id, None).await.expect("created");
    assert!(missing().await.is_none(), "it has one now: {planned:?}");
    undo(&engine, &planned.id).await.expect("undone");
    assert!(missing().await.is_some(), "and none again");
    engine.shutdown().await;
}

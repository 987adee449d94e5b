//! What a plan asks a server of PostgreSQL before anything is sent, and again when it is applied.
use perfdeck_engine::{IndexText, changes};
use perfdeck_model::{ChangeState, Says};
use perfdeck_testkit::shared_postgres;
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _};

use super::create::{catalogue, plan, text};
use super::{environment, valid};
use crate::support::{apply, by_id, change, open, says, undo};

const TABLES: &str = "
    CREATE TABLE t (a int, gone int, note text, ts timestamptz, doc json, place point); ALTER TABLE t DROP COLUMN gone;
    INSERT INTO t (a, note) VALUES (1, 'a\\'), (2, 'b')";

fn filtered(predicate: &str) -> IndexText {
    IndexText { predicate: Some(predicate.into()), ..text("t", &["a"]) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_would_not_make_is_refused_before_anything_is_sent() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    let mut holder = server.connect().await.expect("a session");
    // The table itself is not locked for what is tried without it.
    holder.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await.expect("a holder");
    for (asked, why) in [
        (text("t", &["doc"]), "has no order or operator class for this kind of index"),
        (text("t", &["place"]), "has no order or operator class for this kind of index"),
        (filtered("ts > now()"), "is not the same at all times (IMMUTABLE)"),
        (filtered("a in (select 1)"), "it has what an index cannot have"),
        (filtered("max(a) > 1"), "it is no place for an aggregate"),
        (filtered("nowhere > 1"), "it names a column that is not there"),
        (filtered("a > 'secret'"), "a value in it is none of its type"),
        (filtered("a"), "a type does not fit"),
    ] {
        let refused = plan(&engine, &id, asked).await.expect_err(why);
        assert!(refused.message.contains(why), "{why}: {refused}");
        assert!(!format!("{refused:?}").contains("secret"), "a server's text is not passed on: {refused:?}");
    }
    holder.execute("ROLLBACK").await.expect("it ends");
    plan(&engine, &id, filtered("t.a > 1")).await.expect("a column with its table's name");

    // Who may make no temporary table is told that it was not asked.
    server
        .execute(
            "CREATE ROLE limited LOGIN PASSWORD 'limited'; ALTER TABLE t OWNER TO limited; GRANT CREATE ON SCHEMA public TO limited;
             DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$",
        )
        .await
        .expect("a role");
    let limited = environment(&engine, "limited", &server.url_as("limited", "limited")).await;
    let planned = plan(&engine, &limited, text("t", &["doc"])).await.expect("nobody was asked");
    let told = planned.notes.iter().find(|note| note.starts_with("Whether the server takes it")).expect("it is said");
    assert!(told.contains("GRANT TEMPORARY ON DATABASE"), "with what helps: {told}");
    let refused = apply(&engine, &planned.id, None).await.expect_err("the server knows");
    assert!(refused.message.contains("has no order or operator class"), "{refused}");
    let planned = plan(&engine, &limited, filtered("true")).await.expect("nobody was asked");
    let refused = apply(&engine, &planned.id, None).await.expect_err("it is another index");
    assert!(refused.message.contains("The server made another index of 'public.ix_t_a'"), "{refused}");
    assert_eq!(valid(&server, "ix_t_a").await, None, "which is taken away at once");
    assert_eq!(change(&engine, &planned.id).await.state, ChangeState::Failed);
    let refused = plan(&engine, &limited, filtered("nowhere > 1")).await.expect_err("as far as a query tells it");
    assert!(refused.message.contains("it names a column that is not there"), "{refused}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_is_always_true_is_none_and_a_backslash_is_a_letter() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    // As a role may have it, though the texts were read as they are by default.
    server
        .execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database()); END $$")
        .await
        .expect("set");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = catalogue(&server).await;
    for (predicate, condition) in
        [("true", None), ("a > 1", Some("(a > 1)")), (r"note = 'a\'", Some(r"(note = 'a\'::text)"))]
    {
        let planned = plan(&engine, &id, filtered(predicate)).await.unwrap_or_else(|e| panic!("{predicate}: {e}"));
        let none = planned.notes.iter().any(|note| note.starts_with("The server keeps no condition"));
        assert_eq!(none, condition.is_none(), "{predicate}: {:?}", planned.notes);
        let made = apply(&engine, &planned.id, None).await.unwrap_or_else(|e| panic!("{predicate}: {e}"));
        assert_eq!((made.state, says(&made)), (ChangeState::Verified, Some(Says::AsApplied)), "{predicate}");
        let mut c = server.connect().await.expect("a session");
        c.execute("SET standard_conforming_strings = on").await.expect("set");
        let sql = "SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid = to_regclass('ix_t_a')";
        let kept: Option<String> = sqlx::query_scalar(sql).fetch_one(&mut c).await.expect("it is there");
        assert_eq!(kept.as_deref(), condition, "{predicate}");
        c.close().await.expect("closed");
        let twice = plan(&engine, &id, filtered(predicate)).await.expect_err("it is there");
        assert!(twice.message.contains("'public.ix_t_a' is such an index already"), "{predicate}: {twice}");
        undo(&engine, &planned.id).await.unwrap_or_else(|e| panic!("{predicate}: {e}"));
        assert_eq!(catalogue(&server).await, before, "{predicate}");
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_made_after_the_plan_is_not_made_twice() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    for (asked, by_hand) in [
        (text("t", &["a"]), "CREATE INDEX by_hand ON t (a)"),
        (text("t", &["lower(note)"]), "CREATE INDEX by_hand ON t (lower(note))"),
        (filtered("a > 1"), "CREATE INDEX by_hand ON t (a) WHERE a > 1"),
    ] {
        let planned = plan(&engine, &id, asked).await.unwrap_or_else(|e| panic!("{by_hand}: {e}"));
        server.execute(by_hand).await.expect("by hand");
        let refused = apply(&engine, &planned.id, None).await.expect_err(by_hand);
        assert!(refused.message.contains("'public.by_hand' is such an index already"), "{by_hand}: {refused}");
        let told = change(&engine, &planned.id).await;
        assert_eq!((told.state, says(&told)), (ChangeState::Failed, Some(Says::AsBefore)), "{told:?}");
        assert_eq!(valid(&server, &planned.object).await, None, "{by_hand}");
        server.execute("DROP INDEX by_hand").await.expect("dropped");
    }
    let planned = plan(&engine, &id, text("t", &["a"])).await.expect("planned");
    server.execute("ALTER TABLE t RENAME COLUMN a TO b").await.expect("renamed");
    let refused = apply(&engine, &planned.id, None).await.expect_err("it is gone");
    assert!(refused.message.contains("public.t has no column 'a'"), "{refused}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_made_again_is_undone_only_where_it_is_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, shared_postgres().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = catalogue(&server).await;
    let asked = IndexText { predicate: Some("note > 'a'".into()), ..text("t", &["a", "lower(note)"]) };
    let planned = plan(&engine, &id, asked).await.expect("planned");
    apply(&engine, &planned.id, None).await.expect("created");
    let made = catalogue(&server).await;
    let told = async || {
        let asked = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked");
        says(&asked.change)
    };
    let again = async |keys: &str, rest: &str| {
        server.execute("DROP INDEX ix_t_a_lower_note").await.expect("somebody drops it");
        assert_eq!(told().await, Some(Says::AsBefore), "it is gone");
        server.execute(&format!("CREATE INDEX ix_t_a_lower_note ON t ({keys}) {rest}")).await.expect("and makes one");
    };
    for (keys, rest) in [
        ("a, lower(note)", "WHERE note > 'b'"),
        ("a, upper(note)", "WHERE note > 'a'"),
        ("a, lower(note)", "WITH (fillfactor = 70) WHERE note > 'a'"),
    ] {
        again(keys, rest).await;
        let theirs = catalogue(&server).await;
        assert_eq!(told().await, Some(Says::Differs), "{keys} {rest}");
        let refused = undo(&engine, &planned.id).await.expect_err("it is somebody else's");
        assert!(refused.message.contains("something else is called"), "{refused}");
        assert_eq!(catalogue(&server).await, theirs, "it is left alone");
    }
    // One that is the same has another number, as one that is rebuilt has.
    again("a, lower(note)", "WHERE note > 'a'").await;
    assert_eq!((told().await, catalogue(&server).await), (Some(Says::AsApplied), made.clone()));
    server.execute("REINDEX INDEX CONCURRENTLY ix_t_a_lower_note").await.expect("rebuilt");
    assert_eq!((told().await, catalogue(&server).await), (Some(Says::AsApplied), made));
    undo(&engine, &planned.id).await.expect("undone");
    assert_eq!(catalogue(&server).await, before, "as before");
    engine.shutdown().await;
}

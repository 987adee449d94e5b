//! Indexes of a SQLite file: over the columns that are meant, stopped when it is asked for, and asked again when they are made.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::{Engine, IndexText, changes};
use perfdeck_model::{ChangeState, Says};
use perfdeck_testkit::eventually;
use perfdeck_testkit::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _};

use super::create::{plan, text};
use super::environment;
use crate::support::{apply, by_id, change, changed, confirmed, open, plan_drop, says, undo};

/// A connection that waits for nobody.
async fn another(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).busy_timeout(Duration::ZERO);
    SqliteConnection::connect_with(&options).await.expect("a file")
}

async fn file(engine: &Arc<Engine>, dir: &Path, name: &str, tables: &'static str) -> (SqliteConnection, String) {
    let path = dir.join(name);
    let mut c = another(&path).await;
    c.execute(tables).await.expect("tables");
    (c, environment(engine, name, &format!("sqlite:{}", path.display())).await)
}

async fn indexes(c: &mut SqliteConnection) -> Vec<String> {
    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name";
    sqlx::query_scalar(sql).fetch_all(c).await.expect("the schema")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_over_the_columns_that_are_meant_or_over_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(&dir.path().join("data")).await;
    let tables = "
        CREATE TABLE o (id INTEGER PRIMARY KEY, st TEXT, note TEXT); INSERT INTO o (st, note) VALUES ('new', 'x'), ('old', 'y');
        CREATE INDEX quoted ON o(\"st\" DESC); CREATE INDEX in_text ON o(lower(\"st\"));
        CREATE INDEX in_condition ON o(note) WHERE \"st\" > 'a'; CREATE INDEX a_text ON o(note || \"no column\");
        CREATE VIRTUAL TABLE words USING fts5(body)";
    let (mut c, id) = file(&engine, dir.path(), "o.db", tables).await;
    let before = indexes(&mut c).await;
    // It comes back as it was, over a text too where it was over one.
    for name in ["quoted", "in_text", "in_condition", "a_text"] {
        let planned = plan_drop(&engine, &id, name).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        apply(&engine, &planned.id, None).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        undo(&engine, &planned.id).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(indexes(&mut c).await, before, "{name}");
    }
    c.execute("DROP INDEX a_text").await.expect("dropped");
    let mut dropped = Vec::new();
    for name in ["quoted", "in_text", "in_condition"] {
        let planned = plan_drop(&engine, &id, name).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        apply(&engine, &planned.id, None).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        dropped.push((name, planned.id));
    }
    let planned = plan(&engine, &id, text("o", &["st"])).await.expect("planned");
    c.execute("ALTER TABLE o RENAME COLUMN st TO st2").await.expect("renamed");
    let refused = apply(&engine, &planned.id, None).await.expect_err("it would be over a text");
    assert!(refused.message.contains("'o' has no column 'st'"), "{refused}");
    for (name, id) in dropped {
        let refused = undo(&engine, &id).await.expect_err(name);
        assert!(refused.message.contains("\"st\" is no column of 'o'"), "{name}: {refused}");
        assert_eq!(change(&engine, &id).await.state, ChangeState::Verified, "{name} is dropped as before");
    }
    for (asked, why) in [
        (text("o", &["lower(\"st\")"]), "\"st\" is no column of 'o'"),
        (IndexText { predicate: Some("\"st\" > 'a'".into()), ..text("o", &["note"]) }, "\"st\" is no column of 'o'"),
        (text("o", &["(random())"]), "is not the same at all times"),
        (
            IndexText { predicate: Some("note > datetime('now')".into()), ..text("o", &["st2"]) },
            "datetime(… 'now' …) is not the same at all times",
        ),
        (text("o", &["datetime(note, 'localtime')"]), "'localtime'"),
        (text("o", &["lower(secret)"]), "it names a column that is not there"),
        (
            IndexText { predicate: Some("id in (select 1)".into()), ..text("o", &["note"]) },
            "a query is no part of an index",
        ),
        (text("words", &["body"]), "'words' is a virtual table"),
    ] {
        let refused = plan(&engine, &id, asked).await.expect_err(why);
        assert!(refused.message.contains(why), "{why}: {refused}");
    }
    assert_eq!(indexes(&mut c).await, Vec::<String>::new(), "nothing is made");
    c.execute("ALTER TABLE o RENAME COLUMN st2 TO st").await.expect("tables are altered as before");

    let planned = plan(&engine, &id, text("o", &["note desc"])).await.expect("planned");
    c.execute("CREATE INDEX by_hand ON o(note DESC)").await.expect("by hand");
    let refused = apply(&engine, &planned.id, None).await.expect_err("it is there");
    assert!(refused.message.contains("'by_hand' is such an index already"), "{refused}");
    assert_eq!(indexes(&mut c).await.len(), 1, "it is not made twice");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_in_a_file_is_stopped_in_its_middle_and_rolled_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = open(&dir.path().join("data")).await;
    let tables = "
        CREATE TABLE o (id INTEGER PRIMARY KEY);
        INSERT INTO o WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 60000) SELECT n FROM r";
    let (mut c, id) = file(&engine, dir.path(), "o.db", tables).await;
    // Each row takes a part of a millisecond.
    let planned = plan(&engine, &id, text("o", &["(length(hex(zeroblob(200000 + id))))"])).await.expect("planned");
    let job = changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
    eventually(Duration::from_secs(10), async || {
        let mut c = another(&dir.path().join("o.db")).await;
        c.execute("BEGIN IMMEDIATE").await.is_err()
    })
    .await;
    perfdeck_engine::house::job_cancel(engine.clone(), by_id(&job.id)).await.expect("cancelled");
    changed(&engine, &planned.id, &job).await.expect_err("it was stopped");
    let told = change(&engine, &planned.id).await;
    assert_eq!((told.state, says(&told)), (ChangeState::Failed, Some(Says::AsBefore)), "{told:?}");
    let last = told.steps.last().map(|step| step.text.as_str());
    assert_eq!(last, Some("It was stopped before its end and rolled back; the target: absent"));
    c.execute("BEGIN IMMEDIATE").await.expect("nobody writes any more");
    assert_eq!(indexes(&mut c).await, Vec::<String>::new());
    engine.shutdown().await;
}

//! The same of MariaDB.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::Engine;
use perfdeck_model::{ChangeState, ErrorCode, Kind, WaitClass};
use perfdeck_testkit::sqlx::mysql::MySqlConnection;
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _};
use perfdeck_testkit::{MariaDb, eventually};

use crate::activity::{environment, now, plan, rows, session, waiting};
use crate::support::{apply, open};

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_tells_the_same_and_ends_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, MariaDb::start().await.expect("MariaDB"));
    server.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL)").await.expect("a table");
    server.execute("INSERT INTO t SELECT seq, 0 FROM seq_1_to_50").await.expect("rows");
    server
        .execute("CREATE USER small@'%' IDENTIFIED BY 'small'; GRANT PROCESS ON *.* TO small@'%'")
        .await
        .expect("a user");
    let id = environment(&engine, "shop", Kind::Development, &server.url()).await;
    mariadb_tree(&engine, &server, &id).await;
    mariadb_prepared(&engine, &server, &id).await;
    mariadb_metadata(&engine, &server, &id).await;
    mariadb_locks(&engine, &server, &id).await;
    mariadb_rights(&engine, &server).await;
    engine.shutdown().await;
}

async fn mysql(server: &MariaDb) -> (MySqlConnection, i64) {
    let mut c = server.connect().await.expect("a session");
    let id = sqlx::query_scalar("SELECT CAST(CONNECTION_ID() AS SIGNED)").fetch_one(&mut c).await.expect("its number");
    (c, id)
}

async fn mariadb_tree(engine: &Arc<Engine>, server: &MariaDb, id: &str) {
    let (mut root, root_id) = mysql(server).await;
    root.execute("BEGIN").await.expect("begun");
    root.execute("UPDATE t SET n = 4711 WHERE id <= 3").await.expect("written");
    let (mut middle, middle_id) = mysql(server).await;
    middle.execute("BEGIN").await.expect("begun");
    middle.execute("UPDATE t SET n = 1 WHERE id = 20").await.expect("written");
    let middle = tokio::spawn(async move { middle.execute("UPDATE t SET n = 2 WHERE id = 1").await.map(|_| middle) });
    let (mut last, last_id) = mysql(server).await;
    let last = tokio::spawn(async move { last.execute("UPDATE t SET n = 3 WHERE id = 20").await.map(|_| last) });
    let found = waiting(engine, id, 2).await;
    assert_eq!(rows(&found), [(0, root_id, 2, 2), (1, middle_id, 1, 1), (2, last_id, 0, 0)], "{:?}", found.blocking);
    let holder = session(&found, root_id);
    assert_eq!((holder.state.as_str(), holder.rows_written), ("idle in transaction", Some(3.0)), "{holder:?}");
    let waiter = session(&found, last_id);
    assert_eq!(waiter.waits_for.as_deref(), Some("a row of app.t"), "{waiter:?}");
    assert_eq!(
        (waiter.statement.as_str(), waiter.blocked_by.as_slice()),
        ("UPDATE t SET n = ? WHERE id = ?", &[middle_id][..])
    );
    let planned = plan(engine, id, "terminate_session", &holder.object).await.expect("planned");
    assert_eq!(planned.statement, format!("KILL {root_id}"));
    let rolled: Vec<Option<f64>> = planned.preview.iter().map(|r| r.predicted).collect();
    assert_eq!(rolled, [Some(1.0), Some(3.0), None], "InnoDB tells what is rolled back: {planned:?}");
    let reused = plan(engine, id, "terminate_session", &format!("{root_id}@17")).await.expect_err("of another start");
    assert_eq!(reused.code, ErrorCode::Conflict, "{reused}");
    // The statement in the middle is cancelled; the one behind it waits for its transaction still.
    let cancel = plan(engine, id, "cancel_statement", &session(&found, middle_id).object).await.expect("planned");
    assert!(cancel.statement.starts_with("KILL QUERY ID "), "the statement itself: {}", cancel.statement);
    let unknown: Vec<Option<f64>> = cancel.preview.iter().map(|r| r.predicted).collect();
    assert_eq!(unknown, [None, None, None], "InnoDB undoes the statement alone and keeps its locks: {cancel:?}");
    let done = apply(engine, &planned.id, None).await.expect("killed");
    assert_eq!((done.preview[0].came, done.state), (Some(1.0), ChangeState::Kept), "the middle one went on: {done:?}");
    let middle = middle.await.expect("it went on").expect("it got the row");
    let refused = apply(engine, &cancel.id, None).await.expect_err("it runs no more");
    assert!(refused.message.contains("the statement has ended"), "{refused}");
    drop(middle);
    drop(last.await.expect("it went on").expect("it got the row"));
    waiting(engine, id, 0).await;
    assert!(!now(engine, id).await.sessions.iter().any(|s| s.statement.contains("innodb_trx")), "nothing of ours");
}

/// A prepared XA transaction outlives its session, and is ended by its name.
async fn mariadb_prepared(engine: &Arc<Engine>, server: &MariaDb, id: &str) {
    let (mut holder, holder_id) = mysql(server).await;
    for sql in [
        "XA START 'it''s','b',7",
        "UPDATE t SET n = 1 WHERE id = 40",
        "XA END 'it''s','b',7",
        "XA PREPARE 'it''s','b',7",
    ] {
        holder.execute(sql).await.expect("prepared");
    }
    let (mut waiter, _) = mysql(server).await;
    let waiter = tokio::spawn(async move { waiter.execute("UPDATE t SET n = 2 WHERE id = 40").await.map(|_| waiter) });
    let found = waiting(engine, id, 1).await;
    let planned = plan(engine, id, "terminate_session", &session(&found, holder_id).object).await.expect("planned");
    assert_eq!(planned.preview[0].predicted, None, "{planned:?}");
    assert!(planned.notes.iter().any(|n| n.contains("prepared an XA transaction")), "{:?}", planned.notes);
    let applied = apply(engine, &planned.id, None).await.expect("killed");
    assert_eq!(applied.preview[0].came, Some(0.0), "it keeps its locks: {applied:?}");
    let statement = eventually(Duration::from_secs(10), async || {
        let found = now(engine, id).await;
        found.blocking.actions.iter().find_map(|a| a.statement.clone()).ok_or(found.blocking)
    })
    .await;
    assert!(statement.starts_with("XA ROLLBACK "), "{statement}");
    server.execute(&statement).await.expect("the statement that is given ends it");
    drop(waiter.await.expect("it went on").expect("it got the row"));
    waiting(engine, id, 0).await;
}

async fn mariadb_metadata(engine: &Arc<Engine>, server: &MariaDb, id: &str) {
    let (mut reader, reader_id) = mysql(server).await;
    reader.execute("BEGIN").await.expect("begun");
    reader.fetch_all("SELECT * FROM t").await.expect("read");
    let (mut alters, _) = mysql(server).await;
    let alters = tokio::spawn(async move { alters.execute("ALTER TABLE t ADD COLUMN m INT").await.map(|_| alters) });
    let unknown = eventually(Duration::from_secs(10), async || {
        let found = now(engine, id).await.blocking;
        if found.unknown + found.waiting == 1 { Ok(found) } else { Err(found) }
    })
    .await;
    if unknown.unknown == 1 {
        assert!(unknown.rows.is_empty(), "who holds it is not guessed: {unknown:?}");
        assert!(unknown.reveal.is_some_and(|how| how.contains("setup_instruments")), "with what makes the server tell");
    } else {
        assert_eq!(unknown.rows[0].pid, reader_id, "{unknown:?}");
    }
    drop(reader);
    drop(alters.await.expect("it went on").expect("altered"));
}

/// Tables locked by hand, the global read lock and user locks have holders, where the server lists them.
async fn mariadb_locks(engine: &Arc<Engine>, server: &MariaDb, id: &str) {
    server
        .execute(
            "UPDATE performance_schema.setup_instruments SET enabled = 'YES' WHERE name = 'wait/lock/metadata/sql/mdl'",
        )
        .await
        .expect("switched on");
    for (holds, waits, what) in [
        ("LOCK TABLES t WRITE", "SELECT COUNT(*) FROM t", "app.t"),
        ("FLUSH TABLES WITH READ LOCK", "UPDATE t SET n = 9 WHERE id = 40", "the backup lock"),
        ("DO GET_LOCK('job', 1)", "DO GET_LOCK('job', 30)", "user lock job"),
    ] {
        let (mut holder, holder_id) = mysql(server).await;
        holder.execute(holds).await.expect(holds);
        let (mut waiter, waiter_id) = mysql(server).await;
        let task = tokio::spawn(async move { waiter.execute(waits).await.map(|_| waiter) });
        let found = waiting(engine, id, 1).await;
        let told = session(&found, waiter_id);
        assert_eq!(
            (told.wait_class, told.blocked_by.as_slice()),
            (WaitClass::Lock, &[holder_id][..]),
            "{holds}: {told:?}"
        );
        assert_eq!(told.waits_for.as_deref(), Some(what), "{told:?}");
        assert!(told.waits_s <= told.statement_s, "nobody waits for longer than its statement runs: {told:?}");
        holder.close().await.expect("closed");
        drop(task.await.expect("it went on").expect(waits));
        waiting(engine, id, 0).await;
    }
}

async fn mariadb_rights(engine: &Arc<Engine>, server: &MariaDb) {
    let url = format!("mariadb://small:small@127.0.0.1:{}/", server.port());
    let id = environment(engine, "small", Kind::Development, &url).await;
    let (_other, other) = mysql(server).await;
    let refused = plan(engine, &id, "terminate_session", &other.to_string()).await.expect_err("not its own");
    assert_eq!(refused.code, ErrorCode::Privilege, "{refused}");
    assert_eq!(refused.hint.as_deref(), Some("GRANT CONNECTION ADMIN ON *.* TO 'small'@'%';"), "the exact grant");
    let found = now(engine, &id).await;
    assert_eq!(found.hidden, Some(0), "PROCESS shows all");
    server.execute("REVOKE PROCESS ON *.* FROM small@'%'").await.expect("revoked");
    server.execute("GRANT CONNECTION ADMIN ON *.* TO small@'%'").await.expect("granted");
    let hidden = plan(engine, &id, "terminate_session", &other.to_string()).await.expect_err("it does not see it");
    assert_eq!(hidden.code, ErrorCode::Privilege, "it may be there: {hidden}");
    assert!(hidden.hint.as_deref().is_some_and(|hint| hint.starts_with("GRANT PROCESS ON *.* TO ")), "{hidden:?}");
}

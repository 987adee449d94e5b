//! Who waits for whom.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::Engine;
use perfdeck_model::{Kind, WaitClass};
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _};
use perfdeck_testkit::{Postgres, eventually};

use crate::activity::ending::a_statement;
use crate::activity::{Client, TABLES, environment, now, plan, rows, session, waiting};
use crate::support::{apply, open};

/// Whom the server itself says that a session waits for.
async fn holders(server: &Postgres, pid: i64) -> Vec<i64> {
    let mut c = server.connect().await.expect("a session");
    let sql = "SELECT pg_blocking_pids($1)";
    let mut found: Vec<i32> =
        sqlx::query_scalar(sql).bind(i32::try_from(pid).expect("a number")).fetch_one(&mut c).await.expect("holders");
    c.close().await.expect("closed");
    found.sort_unstable();
    found.into_iter().map(i64::from).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_is_as_the_server_has_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let settings = [("max_prepared_transactions", "5"), ("deadlock_timeout", "60s")];
    let (engine, server) = (open(dir.path()).await, Postgres::start_with(&settings).await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", Kind::Development, &server.url()).await;
    two_roots(&engine, &server, &id).await;
    a_chain(&engine, &server, &id).await;
    a_prepared_transaction(&engine, &server, &id).await;
    a_deadlock(&engine, &server, &id).await;
    a_hot_row(&engine, &server, &id).await;
    a_shared_row(&engine, &server, &id).await;
    untracked(&engine, &server, &id).await;
    a_savepoint(&engine, &server, &id).await;
    a_failed_transaction(&engine, &server, &id).await;
    a_held_catalogue(&engine, &server, &id).await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_of_postgresql_18_is_as_it_has_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let settings = [("max_prepared_transactions", "5"), ("deadlock_timeout", "60s")];
    let server = Postgres::start_18_with(&settings).await.expect("PostgreSQL 18");
    server.execute(TABLES).await.expect("tables");
    let engine = open(dir.path()).await;
    let id = environment(&engine, "clinic", Kind::Development, &server.url()).await;
    two_roots(&engine, &server, &id).await;
    a_chain(&engine, &server, &id).await;
    a_prepared_transaction(&engine, &server, &id).await;
    a_statement(&engine, &server, &id).await;
    engine.shutdown().await;
}

async fn two_roots(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let first = Client::of(server, "reconcile").await;
    let first = first.did("BEGIN; UPDATE t SET n = 7 WHERE id = 1; LOCK TABLE u IN SHARE MODE").await;
    let second = Client::of(server, "report").await.did("BEGIN; LOCK TABLE u IN SHARE MODE").await;
    let (row, row_task) = Client::of(server, "api").await.waits("UPDATE t SET n = 4711 WHERE id = 1");
    let (both, both_task) = Client::of(server, "api").await.did("BEGIN").await.waits("LOCK TABLE u IN EXCLUSIVE MODE");
    let found = waiting(engine, id, 2).await;
    assert_eq!(found.blocking.roots, 2, "{:?}", found.blocking);
    let all = rows(&found);
    assert_eq!((all[0], all.len()), ((0, first.pid, 2, 1), 5), "it frees the one that waits for nobody else: {all:?}");
    assert!(all.contains(&(0, second.pid, 1, 0)) && all.contains(&(1, row, 0, 0)), "{all:?}");
    let again: Vec<bool> = found.blocking.rows.iter().filter(|r| r.pid == both).map(|r| r.again).collect();
    assert_eq!(again, [false, true], "a waiter with two holders stands under both: {:?}", found.blocking.rows);
    for pid in [row, both] {
        let mut told = session(&found, pid).blocked_by.clone();
        told.sort_unstable();
        assert_eq!(told, holders(server, pid).await, "as the server itself says");
    }
    let waits = session(&found, row);
    assert_eq!((waits.wait_class, waits.wait.as_deref()), (WaitClass::Lock, Some("Lock: transactionid")), "{waits:?}");
    assert_eq!(waits.waits_for.as_deref(), Some("a row of public.t"), "{waits:?}");
    assert_eq!(waits.statement, "UPDATE t SET n = ? WHERE id = ?", "without its literals");
    assert!(waits.waits_s.is_some_and(|s| (0.0..15.0).contains(&s)), "{waits:?}");
    assert_eq!(session(&found, both).waits_for.as_deref(), Some("public.u"));
    let holder = session(&found, first.pid);
    assert_eq!((holder.state.as_str(), holder.ended, holder.holds_up), ("idle in transaction", true, 2), "{holder:?}");
    assert_eq!((holder.wrote, session(&found, second.pid).wrote), (Some(true), Some(false)), "which has written");
    let labels: Vec<(&str, Option<u32>, bool)> =
        found.blocking.actions.iter().map(|a| (a.label.as_str(), a.frees, a.possible)).collect();
    assert_eq!(labels[0], (format!("Terminate {}", first.pid).as_str(), Some(1), true), "{labels:?}");
    let idle = found.blocking.actions.iter().find(|a| !a.possible).expect("what cannot be done is listed");
    assert_eq!(idle.costs, "idle: no statement to cancel", "with its reason");
    drop((first, second));
    row_task.await.expect("it went on").expect("it got the row").close().await.expect("closed");
    both_task.await.expect("it went on").expect("it got the lock").close().await.expect("closed");
    waiting(engine, id, 0).await;
}

async fn a_chain(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let root = Client::of(server, "a1").await.did("BEGIN; UPDATE t SET n = 1 WHERE id = 11").await;
    let mut chain = vec![root.pid];
    let mut tasks = Vec::new();
    for (n, (own, next)) in [
        ("BEGIN; UPDATE t SET n = 2 WHERE id = 12", "UPDATE t SET n = 2 WHERE id = 11"),
        ("BEGIN; UPDATE t SET n = 3 WHERE id = 13", "UPDATE t SET n = 3 WHERE id = 12"),
        ("BEGIN; UPDATE t SET n = 4 WHERE id = 14", "UPDATE t SET n = 4 WHERE id = 13"),
        ("BEGIN", "UPDATE t SET n = 5 WHERE id = 14"),
    ]
    .into_iter()
    .enumerate()
    {
        let (pid, task) = Client::of(server, &format!("a{}", n + 2)).await.did(own).await.waits(next);
        chain.push(pid);
        tasks.push(task);
    }
    let found = waiting(engine, id, 4).await;
    let wanted: Vec<(u32, i64, u32, u32)> =
        chain.iter().zip(0..).map(|(pid, depth)| (depth, *pid, 4 - depth, 4 - depth)).collect();
    assert_eq!(rows(&found), wanted, "one below the other, each with those behind it");
    assert_eq!(found.blocking.roots, 1);
    assert_eq!(found.blocking.rows[0].name.as_deref(), Some("a1"));
    // Ending the root frees the next one, and the others as each of them ends its own transaction.
    let planned = plan(engine, id, "terminate_session", &session(&found, root.pid).object).await.expect("planned");
    assert_eq!(planned.preview[0].predicted, Some(1.0), "{planned:?}");
    assert!(planned.notes.iter().any(|n| n.starts_with("3 sessions wait behind those")), "{:?}", planned.notes);
    let applied = apply(engine, &planned.id, None).await.expect("terminated");
    assert_eq!(applied.preview[0].came, Some(1.0), "the first goes on, and holds up the others: {applied:?}");
    for task in tasks {
        // Each goes on when the one before it is gone.
        drop(task.await.expect("it ends").expect("it got its row"));
    }
    waiting(engine, id, 0).await;
}

async fn a_prepared_transaction(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let holder = Client::of(server, "two-phase").await;
    let holder = holder.did("BEGIN; UPDATE t SET n = 1 WHERE id = 30; PREPARE TRANSACTION 'it''s'").await;
    let (waiter, task) = Client::of(server, "api").await.waits("UPDATE t SET n = 2 WHERE id = 30");
    let found = waiting(engine, id, 1).await;
    let root = &found.blocking.rows[0];
    assert_eq!((root.pid, root.gid.as_deref(), root.frees), (0, Some("it's"), 1), "{root:?}");
    assert_eq!(session(&found, waiter).blocked_by, [0], "it has no session");
    assert_eq!((found.prepared.len(), found.prepared[0].holds_up), (1, 1), "{:?}", found.prepared);
    let action = &found.blocking.actions.last().expect("listed though Perfdeck does not do it");
    let statement = "ROLLBACK PREPARED 'it''s';";
    assert_eq!((action.possible, action.statement.as_deref()), (false, Some(statement)), "{action:?}");
    let planned = plan(engine, id, "terminate_session", &waiter.to_string()).await.expect("the waiter can be ended");
    assert!(planned.notes.iter().any(|n| n.contains(statement)), "and frees nobody of it: {:?}", planned.notes);
    server.execute(statement).await.expect("the statement that is given ends it");
    drop(task.await.expect("it went on").expect("it got the row"));
    drop(holder);
    waiting(engine, id, 0).await;
}

async fn a_deadlock(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let one = Client::of(server, "one").await.did("BEGIN; UPDATE t SET n = 1 WHERE id = 41").await;
    let two = Client::of(server, "two").await.did("BEGIN; UPDATE t SET n = 1 WHERE id = 42").await;
    let (one, one_task) = one.waits("UPDATE t SET n = 2 WHERE id = 42");
    let (two, two_task) = two.waits("UPDATE t SET n = 2 WHERE id = 41");
    let found = waiting(engine, id, 2).await;
    assert_eq!(found.blocking.roots, 1, "the circle is one: {:?}", found.blocking);
    assert!(found.blocking.rows.iter().all(|r| r.deadlock) && found.blocking.rows.len() == 2, "{:?}", found.blocking);
    let planned = plan(engine, id, "cancel_statement", &session(&found, one).object).await.expect("planned");
    assert_eq!(planned.preview[0].predicted, None, "there may be a savepoint: {planned:?}");
    let applied = apply(engine, &planned.id, None).await.expect("cancelled");
    assert_eq!(applied.preview[0].came, Some(1.0), "cancelling either frees the other: {applied:?}");
    one_task.await.expect("it ended").expect_err("its statement failed");
    two_task.await.expect("it went on").expect("it got the row");
    assert!(two > 0);
    waiting(engine, id, 0).await;
}

/// PostgreSQL names one of those who share a row: how many go on when that one ends is not known.
async fn a_shared_row(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let share = "BEGIN; SELECT FROM t WHERE id = 70 FOR SHARE";
    let one = Client::of(server, "one").await.did(share).await;
    let two = Client::of(server, "two").await.did(share).await;
    let (_, task) = Client::of(server, "api").await.waits("UPDATE t SET n = 1 WHERE id = 70");
    let found = waiting(engine, id, 1).await;
    let named = found.blocking.rows[0].pid;
    let action = found.blocking.actions.iter().find(|a| a.label.starts_with("Terminate")).expect("offered");
    assert_eq!((action.frees, action.pid), (None, named), "{action:?}");
    let planned = plan(engine, id, "terminate_session", &session(&found, named).object).await.expect("planned");
    assert_eq!(planned.preview[0].predicted, None, "{planned:?}");
    assert!(planned.notes.iter().any(|n| n.contains("may share the row")), "{:?}", planned.notes);
    let applied = apply(engine, &planned.id, None).await.expect("terminated");
    assert_eq!(applied.preview[0].came, Some(0.0), "the other one holds it still: {applied:?}");
    let other = if one.pid == named { two } else { one };
    let planned = plan(engine, id, "terminate_session", &other.pid.to_string()).await.expect("planned");
    assert_eq!(planned.preview[0].predicted, Some(1.0), "it is alone now: {planned:?}");
    apply(engine, &planned.id, None).await.expect("terminated");
    drop(task.await.expect("it went on").expect("it got the row"));
    waiting(engine, id, 0).await;
}

/// What a session does whose activity is not tracked is not known, nor since when.
async fn untracked(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let silent = Client::of(server, "silent").await.did("SET track_activities = off; SELECT 1").await;
    let found = eventually(Duration::from_secs(10), async || {
        let found = now(engine, id).await;
        let there = found.sessions.iter().find(|s| s.pid == silent.pid).cloned();
        there.filter(|s| s.state == "disabled").ok_or(found.sessions)
    })
    .await;
    assert_eq!((found.age_s, found.statement.as_str()), (None, ""), "{found:?}");
    let refused = plan(engine, id, "cancel_statement", &found.object).await.expect_err("nothing is known to run");
    assert!(
        refused.message.contains("track_activities is off") || refused.message.contains("no statement"),
        "{refused}"
    );
}

/// Those that queue for a row wait for its holder, whoever is at the head of the queue.
async fn a_hot_row(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let holder = Client::of(server, "holder").await.did("BEGIN; UPDATE t SET n = 1 WHERE id = 60").await;
    let (first, first_task) = Client::of(server, "api").await.waits("UPDATE t SET n = 2 WHERE id = 60");
    waiting(engine, id, 1).await;
    let (_, second) = Client::of(server, "api").await.waits("UPDATE t SET n = 3 WHERE id = 60");
    waiting(engine, id, 2).await;
    let (_, third) = Client::of(server, "api").await.waits("UPDATE t SET n = 4 WHERE id = 60");
    let found = waiting(engine, id, 3).await;
    assert_eq!(rows(&found)[0], (0, holder.pid, 3, 3), "{:?}", found.blocking);
    let cancels = found.blocking.actions.iter().filter(|a| a.pid != holder.pid).count();
    assert_eq!(cancels, 0, "ending one of the queue frees nobody: {:?}", found.blocking.actions);
    let planned = plan(engine, id, "cancel_statement", &session(&found, first).object).await.expect("planned");
    assert_eq!(planned.preview[0].predicted, Some(0.0), "{planned:?}");
    let applied = apply(engine, &planned.id, None).await.expect("cancelled");
    assert_eq!(applied.preview[0].came, Some(0.0), "{applied:?}");
    first_task.await.expect("it ended").expect_err("its statement failed");
    let found = waiting(engine, id, 2).await;
    let planned = plan(engine, id, "terminate_session", &session(&found, holder.pid).object).await.expect("planned");
    assert_eq!(planned.preview[0].predicted, Some(1.0), "one gets the row, the other waits for that one: {planned:?}");
    apply(engine, &planned.id, None).await.expect("terminated");
    for task in [second, third] {
        drop(task.await.expect("it went on").expect("it got the row"));
    }
    waiting(engine, id, 0).await;
}

/// Cancelling a statement behind a savepoint leaves the locks from before it, which nobody tells of.
async fn a_savepoint(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let holder = Client::of(server, "holder").await.did("BEGIN; UPDATE t SET n = 1 WHERE id = 70").await;
    let begun = Client::of(server, "orm").await.did("BEGIN; UPDATE t SET n = 2 WHERE id = 71; SAVEPOINT s").await;
    // Its statement comes later than its transaction.
    now(engine, id).await;
    let Client { mut c, pid: middle } = begun;
    // Its client stays connected with what it has.
    let middle_task = tokio::spawn(async move { (c.execute("UPDATE t SET n = 2 WHERE id = 70").await.map(drop), c) });
    let (_, last) = Client::of(server, "api").await.waits("UPDATE t SET n = 3 WHERE id = 71");
    let found = waiting(engine, id, 2).await;
    let planned = plan(engine, id, "cancel_statement", &session(&found, middle).object).await.expect("planned");
    assert_eq!(planned.preview[0].predicted, None, "it may be none: {planned:?}");
    assert!(planned.notes.iter().any(|n| n.contains("savepoint")), "and why: {:?}", planned.notes);
    let applied = apply(engine, &planned.id, None).await.expect("cancelled");
    assert_eq!(applied.preview[0].came, Some(0.0), "as it is here: {applied:?}");
    let (ended, orm) = middle_task.await.expect("it ended");
    ended.expect_err("its statement failed");
    drop((holder, orm));
    drop(last.await.expect("it went on").expect("it got the row"));
    waiting(engine, id, 0).await;
}

/// A transaction that failed is open, and no connection of its client is idle until it is ended.
async fn a_failed_transaction(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let mut failed = Client::of(server, "failed").await.did("BEGIN").await;
    failed.c.execute("SELECT 1 / 0").await.expect_err("a division by zero");
    let found = eventually(Duration::from_secs(10), async || {
        let found = now(engine, id).await;
        // It may have come after the reading.
        let state = found.sessions.iter().find(|s| s.pid == failed.pid).map(|s| s.state.clone());
        if state.as_deref() == Some("idle in transaction (aborted)") { Ok(found) } else { Err(state) }
    })
    .await;
    let told = session(&found, failed.pid);
    assert!(told.transaction_s.is_some() && told.wrote == Some(false), "open, with nothing to roll back: {told:?}");
}

/// The catalogue itself is held, as by VACUUM FULL of a whole database: who waits is told, without names of tables.
async fn a_held_catalogue(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    now(engine, id).await;
    let holder = Client::of(server, "holder").await;
    // What it will ask is in its own cache before the catalogue is held.
    let Client { mut c, pid } = Client::of(server, "api").await.did("BEGIN; SELECT pg_advisory_xact_lock(1)").await;
    let holder =
        holder.did("BEGIN; SELECT pg_advisory_lock(7); LOCK TABLE pg_namespace IN ACCESS EXCLUSIVE MODE").await;
    let task = tokio::spawn(async move { c.execute("SELECT pg_advisory_xact_lock(7)").await.map(|_| c) });
    let found = waiting(engine, id, 1).await;
    assert_eq!(session(&found, pid).blocked_by, [holder.pid], "{:?}", found.blocking);
    drop(holder);
    drop(task.await.expect("it went on").expect("it got the lock"));
    waiting(engine, id, 0).await;
}

//! Activity of real databases: who waits for whom as the server itself has it, ending what holds up others, and the watch that
//! all who ask share.
mod support;

use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::changes::{self, ChangePlan};
use perfdeck_engine::database::{self, ActivityRequest, BloatRequest, SizesRequest};
use perfdeck_engine::{Engine, environments};
use perfdeck_model::{
    ApiError, BlockingRow, Change, ChangeState, DatabaseActivity, DatabaseSession, ErrorCode, JobResult, JobState,
    Kind, Says, WaitClass,
};
use perfdeck_testkit::sqlx::mysql::MySqlConnection;
use perfdeck_testkit::sqlx::postgres::PgConnection;
use perfdeck_testkit::sqlx::{self, AssertSqlSafe, Connection as _, Executor as _, Row as _};
use perfdeck_testkit::{MariaDb, PgBouncer, Postgres, eventually};
use support::{apply, by_id, change, open, says};
use tokio::task::JoinHandle;

async fn environment(engine: &Arc<Engine>, name: &str, kind: Kind, database: &str) -> String {
    support::environment(engine, support::draft(name, kind, support::database(database.to_owned()))).await
}

async fn asked(engine: &Arc<Engine>, id: &str, at_ms: Option<f64>) -> Option<DatabaseActivity> {
    let asked = ActivityRequest { environment_id: id.to_owned(), at_ms };
    database::db_activity(engine.clone(), asked).await.expect("an answer")
}

async fn now(engine: &Arc<Engine>, id: &str) -> DatabaseActivity {
    asked(engine, id, None).await.expect("a reading of now")
}

/// The activity once that many wait for a lock.
async fn waiting(engine: &Arc<Engine>, id: &str, n: u32) -> DatabaseActivity {
    eventually(Duration::from_secs(15), async || {
        let found = now(engine, id).await;
        if found.blocking.waiting == n { Ok(found) } else { Err(found.blocking) }
    })
    .await
}

/// Rows of the tree: depth, number, holds up, frees.
fn rows(activity: &DatabaseActivity) -> Vec<(u32, i64, u32, u32)> {
    activity.blocking.rows.iter().map(|r: &BlockingRow| (r.depth, r.pid, r.holds_up, r.frees)).collect()
}

fn session(activity: &DatabaseActivity, pid: i64) -> &DatabaseSession {
    activity.sessions.iter().find(|s| s.pid == pid).unwrap_or_else(|| panic!("{pid} in {:?}", activity.sessions))
}

/// A client of PostgreSQL with a name.
struct Client {
    c: PgConnection,
    pid: i64,
}

impl Client {
    async fn of(server: &Postgres, name: &str) -> Self {
        Self::named(server.connect().await.expect("a session"), name).await
    }

    async fn named(mut c: PgConnection, name: &str) -> Self {
        c.execute(AssertSqlSafe(format!("SET application_name = '{name}'"))).await.expect("a name");
        let pid: i32 = c.fetch_one("SELECT pg_backend_pid()").await.expect("its number").get(0);
        Self { c, pid: i64::from(pid) }
    }

    async fn did(mut self, sql: &'static str) -> Self {
        self.c.execute(sql).await.expect(sql);
        self
    }

    /// Begins what will wait; the task ends with what came of it.
    fn waits(mut self, sql: &'static str) -> (i64, JoinHandle<Result<PgConnection, sqlx::Error>>) {
        let task = tokio::spawn(async move { self.c.execute(sql).await.map(|_| self.c) });
        (self.pid, task)
    }
}

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

async fn plan(engine: &Arc<Engine>, id: &str, kind: &str, object: &str) -> Result<Change, ApiError> {
    let asked = ChangePlan { kind: kind.to_owned(), environment_id: id.to_owned(), object: object.to_owned() };
    changes::plan(engine.clone(), asked).await.map(|detail| detail.change)
}

const TABLES: &str = "
    CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL); INSERT INTO t SELECT g, 0 FROM generate_series(1, 100) g;
    CREATE TABLE u (id int); CREATE ROLE writer LOGIN PASSWORD 'writer'; GRANT ALL ON t, u TO writer;
    CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT pg_monitor TO reader";

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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ended_frees_what_was_said_and_nothing_else_is_ended() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", Kind::Development, &server.url()).await;
    an_idle_holder(&engine, &server, &id).await;
    a_statement(&engine, &server, &id).await;
    what_is_not_ended(&engine, &server, &id).await;
    without_rights(&engine, &server).await;
    through_a_pooler(&engine, &server).await;
    engine.shutdown().await;
}

async fn an_idle_holder(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let holder = Client::of(server, "reconcile").await.did("BEGIN; UPDATE t SET n = n + 1").await;
    let mut tasks = Vec::new();
    for sql in ["UPDATE t SET n = 5 WHERE id = 1", "UPDATE t SET n = 6 WHERE id = 2", "DELETE FROM t WHERE id = 2"] {
        tasks.push(Client::of(server, "api").await.waits(sql).1);
    }
    let found = waiting(engine, id, 3).await;
    let object = session(&found, holder.pid).object.clone();
    let planned = plan(engine, id, "terminate_session", &object).await.expect("planned");
    assert_eq!((planned.object.as_str(), planned.undo_statement.as_ref()), (object.as_str(), None), "{planned:?}");
    assert!(
        planned.statement.contains(&format!("pid = {} AND backend_start = '", holder.pid)),
        "{}",
        planned.statement
    );
    assert_eq!((planned.preview[0].predicted, planned.preview[1].predicted), (Some(2.0), None), "{planned:?}");
    assert!(
        planned.notes.iter().any(|n| n.starts_with("1 session waits behind those")),
        "the same row: {:?}",
        planned.notes
    );
    assert!(planned.notes.iter().any(|n| n.contains("cannot be undone")), "{:?}", planned.notes);
    let applied = apply(engine, &planned.id, None).await.expect("terminated");
    assert_eq!(applied.preview[0].came, Some(2.0), "all that it said went on: {applied:?}");
    assert_eq!(
        (applied.state, says(&applied)),
        (ChangeState::Kept, Some(Says::AsApplied)),
        "nothing is left to choose"
    );
    assert!(applied.offers.is_empty(), "{:?}", applied.offers);
    for task in tasks {
        drop(task.await.expect("it went on").expect("it got its row"));
    }
    waiting(engine, id, 0).await;
    let mut c = server.connect().await.expect("a session");
    let rolled: i64 = c.fetch_one("SELECT count(*) FROM t WHERE n = 1").await.expect("rows").get(0);
    assert_eq!(rolled, 0, "what it wrote is rolled back");
}

async fn a_statement(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let sleeper = Client::of(server, "sleeper").await;
    let (pid, mut c) = (sleeper.pid, sleeper.c);
    let task = tokio::spawn(async move {
        let failed = c.execute("SELECT pg_sleep(100)").await.expect_err("it is cancelled");
        (failed, c)
    });
    let object = eventually(Duration::from_secs(10), async || {
        let found = now(engine, id).await;
        let runs = found.sessions.iter().find(|s| s.pid == pid && s.state == "active");
        runs.map(|s| s.object.clone()).ok_or(found.sessions)
    })
    .await;
    let planned = plan(engine, id, "cancel_statement", &object).await.expect("planned");
    let applied = apply(engine, &planned.id, None).await.expect("cancelled");
    assert_eq!(says(&applied), Some(Says::AsApplied), "{applied:?}");
    let (failed, mut c) = task.await.expect("it ended");
    let code = failed.as_database_error().and_then(sqlx::error::DatabaseError::code);
    assert_eq!(code.as_deref(), Some("57014"), "the request that it was of fails: {failed}");
    let still: i32 = c.fetch_one("SELECT pg_backend_pid()").await.expect("the session is there").get(0);
    assert_eq!(i64::from(still), pid, "the session stays");
    let refused = plan(engine, id, "cancel_statement", &pid.to_string()).await.expect_err("it runs nothing");
    assert!(refused.message.contains("is idle: no statement to cancel"), "{refused}");
    // Its next statement is another one.
    let stale = plan(engine, id, "terminate_session", &object).await.expect("the session is the same");
    assert_eq!(stale.object, object);
}

async fn what_is_not_ended(engine: &Arc<Engine>, server: &Postgres, id: &str) {
    let one = Client::of(server, "one").await;
    let reused = plan(engine, id, "terminate_session", &format!("{}@17", one.pid)).await.expect_err("another session");
    assert_eq!(reused.code, ErrorCode::Conflict, "{reused}");
    assert!(reused.message.contains("another one by now"), "{reused}");
    let mut c = server.connect().await.expect("a session");
    let own = "SELECT pid FROM pg_stat_activity WHERE application_name = 'perfdeck' LIMIT 1";
    let own: i32 = c.fetch_one(own).await.expect("the watch's session").get(0);
    let refused = plan(engine, id, "terminate_session", &own.to_string()).await.expect_err("its own");
    assert!(refused.message.contains("Perfdeck's own"), "{refused}");
    let checkpointer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
    let server_own: i32 = c.fetch_one(checkpointer).await.expect("it is there").get(0);
    let refused = plan(engine, id, "terminate_session", &server_own.to_string()).await.expect_err("the server's");
    assert!(refused.message.contains("is no client's: checkpointer"), "{refused}");
    let refused = plan(engine, id, "terminate_session", "999999999").await.expect_err("nobody");
    assert_eq!(refused.code, ErrorCode::NotFound, "{refused}");
    // It ends between the plan and the change: nothing is sent.
    let planned = plan(engine, id, "terminate_session", &one.pid.to_string()).await.expect("planned");
    one.c.close().await.expect("closed");
    let refused = apply(engine, &planned.id, None).await.expect_err("it is gone");
    assert!(refused.message.contains("the session is gone"), "{refused}");
    assert_eq!(change(engine, &planned.id).await.state, ChangeState::Previewed, "nothing was sent");
    // On production its guards stand before it, as before every change.
    let live = environment(engine, "live", Kind::Production, &server.url()).await;
    let two = Client::of(server, "two").await;
    let planned = plan(engine, &live, "terminate_session", &two.pid.to_string()).await.expect("looking is allowed");
    let refused = apply(engine, &planned.id, Some("live")).await.expect_err("read-only");
    assert_eq!(refused.code, ErrorCode::Guarded, "{refused}");
    // A table that is locked exclusively keeps nothing from being seen.
    let locker = Client::of(server, "locker").await.did("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await;
    let (reads, task) = Client::of(server, "api").await.waits("SELECT count(*) FROM t");
    let found = waiting(engine, id, 1).await;
    assert_eq!(session(&found, reads).waits_for.as_deref(), Some("public.t"));
    drop(locker);
    drop(task.await.expect("it went on").expect("rows"));
    waiting(engine, id, 0).await;
}

async fn without_rights(engine: &Arc<Engine>, server: &Postgres) {
    let url = format!("postgres://reader:reader@127.0.0.1:{}/app", server.port());
    let id = environment(engine, "reader", Kind::Development, &url).await;
    let writer = format!("postgres://writer:writer@127.0.0.1:{}/app", server.port());
    let writer = Client::named(PgConnection::connect(&writer).await.expect("a session"), "writer").await;
    let refused = plan(engine, &id, "terminate_session", &writer.pid.to_string()).await.expect_err("not its own");
    assert_eq!(refused.code, ErrorCode::Privilege, "{refused}");
    assert_eq!(refused.hint.as_deref(), Some("GRANT pg_signal_backend TO \"reader\";"), "the exact grant");
    let admin = Client::of(server, "admin").await;
    let refused = plan(engine, &id, "terminate_session", &admin.pid.to_string()).await.expect_err("a superuser's");
    assert!(refused.hint.as_deref().is_some_and(|h| h.contains("superuser")), "{refused:?}");
    server.execute("GRANT pg_signal_backend TO reader").await.expect("granted");
    let planned = plan(engine, &id, "terminate_session", &writer.pid.to_string()).await.expect("granted");
    apply(engine, &planned.id, None).await.expect("then it ends");
    server.execute("REVOKE pg_monitor FROM reader").await.expect("revoked");
    let hidden = eventually(Duration::from_secs(10), async || {
        let found = now(engine, &id).await;
        if found.hidden > Some(0) { Ok(found) } else { Err(found.hidden) }
    })
    .await;
    assert_eq!(hidden.grant.as_deref(), Some("GRANT pg_monitor TO \"reader\";"), "with what shows them");
    // Who waits for whom is no secret: the table of locks tells it to everybody.
    let holder = Client::of(server, "holder").await.did("BEGIN; UPDATE t SET n = 1 WHERE id = 90").await;
    let (waiter, task) = Client::of(server, "api").await.waits("UPDATE t SET n = 2 WHERE id = 90");
    let found = waiting(engine, &id, 1).await;
    let numbers: Vec<(i64, Option<&str>)> = found.blocking.rows.iter().map(|r| (r.pid, r.name.as_deref())).collect();
    assert_eq!(numbers, [(holder.pid, None), (waiter, None)], "by their numbers: {:?}", found.blocking);
    drop(holder);
    drop(task.await.expect("it went on").expect("it got the row"));
    let refused = plan(engine, &id, "terminate_session", &admin.pid.to_string()).await.expect_err("hidden");
    assert_eq!((refused.code, refused.message.contains("hidden")), (ErrorCode::Privilege, true), "{refused}");
}

async fn through_a_pooler(engine: &Arc<Engine>, server: &Postgres) {
    let settings = [("pool_mode", "transaction"), ("default_pool_size", "4")];
    let pooler = PgBouncer::start(server, &settings).await.expect("PgBouncer");
    let id = environment(engine, "pooled", Kind::Development, &pooler.url()).await;
    let holder = Client::of(server, "reconcile").await.did("BEGIN; UPDATE t SET n = 9 WHERE id = 50").await;
    let (_, task) = Client::of(server, "api").await.waits("UPDATE t SET n = 8 WHERE id = 50");
    let found = waiting(engine, &id, 1).await;
    let ours = |s: &&DatabaseSession| s.statement.contains("LOCAL statement_timeout");
    assert_eq!(found.sessions.iter().filter(ours).count(), 0, "nothing of ours: {:?}", found.sessions);
    let planned = plan(engine, &id, "terminate_session", &session(&found, holder.pid).object).await.expect("planned");
    let applied = apply(engine, &planned.id, None).await.expect("terminated through the pooler");
    assert_eq!(applied.preview[0].came, Some(1.0), "{applied:?}");
    drop(task.await.expect("it went on").expect("it got the row"));
}

/// Sessions of Perfdeck on a server.
async fn own(server: &Postgres) -> Vec<i32> {
    let mut c = server.connect().await.expect("a session");
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'perfdeck'";
    let found = c.fetch_all(sql).await.expect("sessions").iter().map(|row| row.get(0)).collect();
    c.close().await.expect("closed");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_ask_share_one_watch_that_keeps_what_it_saw() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", Kind::Development, &server.url()).await;
    let mut busy = Client::of(&server, "busy").await.did("BEGIN").await;
    let (one, two) = tokio::join!(now(&engine, &id), now(&engine, &id));
    assert_eq!(one.at_ms, two.at_ms, "two windows, one reading");
    assert_eq!(own(&server).await.len(), 1, "over one connection");
    // What it counts is what the server has.
    let mut c = server.connect().await.expect("a session");
    let count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
                 AND application_name <> 'perfdeck' AND state = 'idle in transaction'";
    let idle: i64 = c.fetch_one(count).await.expect("a count").get(0);
    let told = one.sessions.iter().filter(|s| s.state == "idle in transaction").count();
    assert_eq!((told, idle), (1, 1), "{:?}", one.sessions);
    busy.c.execute("COMMIT").await.expect("ended");
    let later = eventually(Duration::from_secs(10), async || {
        let found = now(&engine, &id).await;
        if session(&found, busy.pid).state == "idle" { Ok(found) } else { Err(found.at_ms) }
    })
    .await;
    let then = asked(&engine, &id, Some(one.at_ms + 100.0)).await.expect("it is kept");
    assert_eq!(then.at_ms, one.at_ms, "the reading nearest to the cursor");
    assert_eq!(session(&then, busy.pid).state, "idle in transaction", "as it was then");
    assert_eq!(later.kept_from_ms, Some(one.at_ms), "since when it is kept is said");
    assert_eq!(asked(&engine, &id, Some(one.at_ms - 60_000.0)).await, None, "of before nothing is known");
    // Somebody ends its connection: it opens another one.
    for pid in own(&server).await {
        server.execute(&format!("SELECT pg_terminate_backend({pid})")).await.expect("ended");
    }
    eventually(Duration::from_secs(10), async || {
        let request = ActivityRequest { environment_id: id.clone(), at_ms: None };
        let found = database::db_activity(engine.clone(), request).await.ok().flatten()?;
        (found.at_ms > later.at_ms + 2_000.0).then_some(())
    })
    .await;
    // It ends when nobody asks any more, and with its environment.
    let none = async || if own(&server).await.is_empty() { Ok(()) } else { Err("it still watches") };
    eventually(Duration::from_secs(25), none).await;
    let again = now(&engine, &id).await;
    assert_eq!(again.kept_from_ms, Some(one.at_ms), "what it saw is kept meanwhile");
    assert_eq!(own(&server).await.len(), 1, "it watches again");
    environments::delete(engine.clone(), by_id(&id)).await.expect("deleted");
    eventually(Duration::from_secs(5), none).await;
    engine.shutdown().await;
}

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
}

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

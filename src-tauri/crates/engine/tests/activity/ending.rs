//! Ending statements and sessions: what was said comes, and nothing else is ended.
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::Engine;
use perfdeck_engine::changes::{self, ChangeList};
use perfdeck_model::{ChangeState, DatabaseSession, ErrorCode, Kind, Says};
use perfdeck_testkit::sqlx::postgres::PgConnection;
use perfdeck_testkit::sqlx::{self, Connection as _, Executor as _, Row as _};
use perfdeck_testkit::{PgBouncer, Postgres, eventually};

use crate::activity::{Client, TABLES, environment, now, plan, session, waiting};
use crate::support::{apply, by_id, change, open, says};

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

pub(crate) async fn a_statement(engine: &Arc<Engine>, server: &Postgres, id: &str) {
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
    let lapsed = change(engine, &planned.id).await;
    let last = lapsed.steps.last().map(|step| step.text.as_str());
    assert_eq!((lapsed.state, last), (ChangeState::Lapsed, Some("nothing was sent: the session is gone")));
    // One that nobody applies is not planned for ever, and one whose session is there still is.
    let [goes, stays] = [Client::of(server, "goes").await, Client::of(server, "stays").await];
    let lapses = plan(engine, id, "terminate_session", &goes.pid.to_string()).await.expect("planned");
    let waits = plan(engine, id, "terminate_session", &stays.pid.to_string()).await.expect("planned");
    goes.c.close().await.expect("closed");
    let states = eventually(Duration::from_secs(10), async || {
        // A session goes a moment after its connection.
        let lapses = changes::check(engine.clone(), by_id(&lapses.id)).await.expect("asked").change.state;
        (lapses != ChangeState::Previewed).then_some(lapses)
    })
    .await;
    let all = changes::list(engine.clone(), ChangeList { environment_id: Some(id.to_owned()) }).await.expect("listed");
    let waits = all.iter().find(|change| change.id == waits.id).map(|change| change.state);
    assert_eq!((states, waits), (ChangeState::Lapsed, Some(ChangeState::Previewed)));
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

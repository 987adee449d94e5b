//! A server that goes down in the middle of a change: nothing is guessed while it is away, and when it is back the list says what it has.
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::{Engine, changes};
use perfdeck_model::{Change, ChangeOffer, ChangeState, ErrorCode, JobStatus, Says};
use perfdeck_testkit::sqlx::Executor as _;
use perfdeck_testkit::{MariaDb, Postgres, eventually};

use super::create::{catalogue, plan as create, text};
use super::mariadb::{LOCKED, SLOW, at_work, definition};
use super::support::{apply, by_id, changed, confirmed, open, plan_drop, says, undo};
use super::{environment, valid};

/// What is in the middle when the server goes down: the change, and its job.
type Begun = (Change, JobStatus);

async fn begins(engine: &Arc<Engine>, change: Change) -> Begun {
    let job = changes::apply(engine.clone(), confirmed(&change.id, None)).await.expect("starts");
    (change, job)
}

async fn asked(engine: &Arc<Engine>, id: &str) -> Change {
    changes::check(engine.clone(), by_id(id)).await.expect("asked").change
}

/// While it is away: the jobs failed, and nothing can be sent.
async fn away(engine: &Arc<Engine>, begun: &[Begun]) {
    for (change, job) in begun {
        changed(engine, &change.id, job).await.expect_err("its session ended");
        let told = asked(engine, &change.id).await;
        let found = (told.state, says(&told));
        assert_eq!(found, (ChangeState::CutOff, Some(Says::Unreachable)), "nothing is guessed: {told:?}");
        let refused = undo(engine, &change.id).await.expect_err("nothing can be sent");
        assert_eq!(refused.code, ErrorCode::Unreachable, "{refused}");
    }
}

/// Brings all of it to its end, and takes it back.
async fn there_and_back(engine: &Arc<Engine>, begun: &[Begun]) {
    for (change, _) in begun {
        let done = apply(engine, &change.id, None).await.unwrap_or_else(|e| panic!("{}: {e}", change.title));
        assert_eq!((done.state, says(&done)), (ChangeState::Verified, Some(Says::AsApplied)), "{done:?}");
        let undone = undo(engine, &change.id).await.unwrap_or_else(|e| panic!("{}: {e}", change.title));
        assert_eq!((undone.state, says(&undone)), (ChangeState::Undone, Some(Says::AsBefore)), "{undone:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_leaves_what_is_said_and_taken_on_from_there() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, mut server) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    let app = server.app();
    app.execute(
        "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT n, n FROM generate_series(1, 100) n;
         CREATE TABLE u (a int); CREATE INDEX two ON u (a)",
    )
    .await
    .expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = catalogue(&app).await;
    let mut old = app.connect().await.expect("a session");
    old.execute("BEGIN; UPDATE t SET a = a WHERE id = 1; SELECT count(*) FROM u").await.expect("an old transaction");
    let create = create(&engine, &id, text("t", &["a"])).await.expect("planned");
    let drop = plan_drop(&engine, &id, "two").await.expect("planned");
    let begun = [begins(&engine, create).await, begins(&engine, drop).await];
    eventually(Duration::from_secs(20), async || {
        valid(&app, "ix_t_a").await == Some(false) && valid(&app, "two").await == Some(false)
    })
    .await;
    server.stop();
    away(&engine, &begun).await;
    server.restart().await.expect("it comes back");
    for ((change, _), name) in begun.iter().zip(["ix_t_a", "two"]) {
        let told = asked(&engine, &change.id).await;
        assert_eq!(valid(&app, name).await, Some(false), "{name} is there and invalid");
        assert_eq!((told.state, says(&told)), (ChangeState::CutOff, Some(Says::HalfDone)), "{told:?}");
        assert_eq!(told.offers, [ChangeOffer::Finish, ChangeOffer::CleanUp], "{told:?}");
    }
    there_and_back(&engine, &begun).await;
    assert_eq!(catalogue(&app).await, before, "as before");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_leaves_nothing_of_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, mut server) = (open(dir.path()).await, MariaDb::start().await.expect("MariaDB"));
    server.execute(SLOW).await.expect("a table that takes long");
    server
        .execute("CREATE TABLE used (a INT, b INT, KEY two (a, b)); INSERT INTO used VALUES (1, 1)")
        .await
        .expect("another");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = (definition(&server, "slow").await, definition(&server, "used").await);
    let create = create(&engine, &id, text("slow", &["hash"])).await.expect("planned");
    let drop = plan_drop(&engine, &id, "used.two").await.expect("planned");
    let begun = [begins(&engine, create).await];
    at_work(&server, "ALTER TABLE `slow` ADD%", "altering table").await;
    let mut old = server.connect().await.expect("a session");
    old.execute("BEGIN; SELECT * FROM used").await.expect("an old transaction");
    let begun = [begun, [begins(&engine, drop).await]].concat();
    at_work(&server, "ALTER TABLE `used` DROP%", LOCKED).await;
    // As the kernel does when memory is short; nothing is said to anybody.
    let pid = server.pid().expect("it runs").to_string();
    let killed = Command::new("kill").args(["-s", "KILL", &pid]).status().expect("kill");
    assert!(killed.success(), "{killed}");
    away(&engine, &begun).await;
    server.restart().await.expect("it comes back");
    assert_eq!(
        (definition(&server, "slow").await, definition(&server, "used").await),
        before,
        "nothing of it is there"
    );
    for (change, _) in &begun {
        let told = asked(&engine, &change.id).await;
        assert_eq!((told.state, says(&told)), (ChangeState::CutOff, Some(Says::AsBefore)), "{told:?}");
        assert_eq!(told.offers, [ChangeOffer::Finish, ChangeOffer::Undo], "{told:?}");
    }
    there_and_back(&engine, &begun[1..]).await;
    let undone = undo(&engine, &begun[0].0.id).await.expect("there is nothing to take away");
    assert_eq!((undone.state, says(&undone)), (ChangeState::Undone, Some(Says::AsBefore)), "{undone:?}");
    assert_eq!((definition(&server, "slow").await, definition(&server, "used").await), before, "as before");

    server.execute("SET GLOBAL read_only = 1").await.expect("a replica");
    let refused = plan_drop(&engine, &id, "used.two").await.expect_err("it only reads");
    assert!(refused.message.contains("only reads (read_only)"), "{refused}");
    engine.shutdown().await;
}

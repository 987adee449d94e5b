//! Perfdeck is killed, the server goes down, or the build is stopped, in the middle of each phase: afterwards no invalid index is
//! left, or the list says so and has the ways out.
//!
//! The killed process is this test program itself, started again for [`child`] alone.
use std::process::{Command, Stdio};
use std::time::Duration;

use perfdeck_engine::changes::{self, ChangeList};
use perfdeck_engine::environments::{self, EnvUpdate};
use perfdeck_model::{ChangeOffer, ChangeState, EnvironmentDraft, Kind, Says};
use perfdeck_testkit::sqlx::{self, Executor as _};
use perfdeck_testkit::{Postgres, eventually};

use super::create::{catalogue, plan, text};
use super::support::{apply, by_id, changed, confirmed, database, draft, open, says, undo};
use super::{environment, valid};

/// Variable that makes [`child`] do something: a data folder and the URL of a database, a line each.
const ORDERS: &str = "PERFDECK_TEST_INDEX_ORDERS";

/// `slow` makes one that is built over it take long.
const TABLES: &str = "
    CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT n, n FROM generate_series(1, 100) n;
    CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.1); RETURN $1; END';
    CREATE TABLE other (a int)";

fn targets(url: &str) -> EnvironmentDraft {
    draft("clinic", Kind::Development, database(url.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(orders) = std::env::var_os(ORDERS) else { return };
    let orders = orders.into_string().expect("UTF-8");
    let (dir, url) = orders.split_once('\n').expect("two lines");
    let engine = open(std::path::Path::new(dir)).await;
    let id = super::support::environment(&engine, targets(url)).await;
    let planned = plan(&engine, &id, text("t", &["a"])).await.expect("planned");
    changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
    std::future::pending::<()>().await;
}

/// Whether a session of the server builds an index and waits for somebody, or is in this phase.
async fn is_in(server: &Postgres, phase: &str) -> bool {
    let Ok(mut c) = server.connect().await else { return false };
    let sql = "SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE phase LIKE $1)";
    sqlx::query_scalar(sql).bind(phase).fetch_one(&mut c).await.unwrap_or(false)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_what_is_left_is_listed_with_its_ways_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Postgres::start().await.expect("PostgreSQL");
    server.execute(TABLES).await.expect("tables");
    let before = catalogue(&server).await;
    for (round, finish) in [(1, true), (2, false)] {
        let data = dir.path().join(format!("data-{round}"));
        let mut old = server.connect().await.expect("a session");
        old.execute("BEGIN; UPDATE t SET a = a WHERE id = 1").await.expect("an old transaction");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "killed::child", "--nocapture", "--test-threads=1"]);
        command.env(ORDERS, format!("{}\n{}", data.display(), server.url())).env("PERFDECK_SECRET_STORE", "session");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        eventually(Duration::from_secs(30), async || is_in(&server, "waiting for writers%").await).await;
        child.kill().expect("it is killed");
        child.wait().expect("it ended");

        let engine = open(&data).await;
        let all = changes::list(engine.clone(), ChangeList { environment_id: None }).await.expect("the list");
        let [cut] = all.as_slice() else { panic!("one change: {all:?}") };
        assert_eq!(cut.state, ChangeState::CutOff, "its lock ended with the process");
        // The password was that process's own.
        let known = environments::get(engine.clone(), by_id(&cut.environment_id)).await.expect("it is stored");
        let again = EnvUpdate { id: known.id.clone(), draft: targets(&server.url()), read_ms: known.updated_ms };
        environments::update(engine.clone(), again).await.expect("the same target");
        // The server notices within a second that nobody waits for the statement.
        eventually(Duration::from_secs(15), async || {
            let asked = changes::check(engine.clone(), by_id(&cut.id)).await.expect("asked").change;
            let text = asked.target_says.map(|t| (t.says, t.text));
            text.is_some_and(|(says, text)| says == Says::HalfDone && !text.contains("session"))
        })
        .await;
        let asked = changes::check(engine.clone(), by_id(&cut.id)).await.expect("asked").change;
        assert_eq!(asked.offers, [ChangeOffer::Finish, ChangeOffer::CleanUp], "{asked:?}");
        assert_eq!(valid(&server, "ix_t_a").await, Some(false), "that is what was left");
        old.execute("ROLLBACK").await.expect("it ends");
        if finish {
            apply(&engine, &cut.id, None).await.expect("brought to its end");
            assert_eq!(valid(&server, "ix_t_a").await, Some(true));
        }
        undo(&engine, &cut.id).await.expect("taken away");
        assert_eq!(catalogue(&server).await, before, "as before");
        engine.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_each_phase_it_leaves_nothing_or_says_what() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, server) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = catalogue(&server).await;
    let nobody = "SELECT 1";
    for (phase, key, hold) in [
        ("waiting for writers before build", "a", "BEGIN; UPDATE t SET a = a WHERE id = 1"),
        ("building index%", "(public.slow(a))", nobody),
        // A snapshot of whatever it is.
        ("waiting for old snapshots", "a", "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM other"),
    ] {
        let mut old = server.connect().await.expect("a session");
        old.execute(hold).await.expect("a hold");
        let planned = plan(&engine, &id, text("t", &[key])).await.unwrap_or_else(|e| panic!("{phase}: {e}"));
        let job = changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
        eventually(Duration::from_secs(20), async || is_in(&server, phase).await).await;
        perfdeck_engine::house::job_cancel(engine.clone(), by_id(&job.id)).await.expect("cancelled");
        changed(&engine, &planned.id, &job).await.expect_err("it was stopped");
        let told = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked").change;
        let left = catalogue(&server).await != before;
        assert_eq!(says(&told), Some(if left { Says::HalfDone } else { Says::AsBefore }), "{phase}: {told:?}");
        old.execute("ROLLBACK").await.expect("it ends");
        if left {
            assert_eq!(told.offers, [ChangeOffer::Finish, ChangeOffer::CleanUp], "{phase}");
            undo(&engine, &planned.id).await.unwrap_or_else(|e| panic!("{phase}: {e}"));
        }
        assert_eq!(catalogue(&server).await, before, "{phase}: as before");
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_down_in_the_middle_is_asked_when_it_is_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let (engine, mut server) = (open(dir.path()).await, Postgres::start().await.expect("PostgreSQL"));
    server.execute(TABLES).await.expect("tables");
    let id = environment(&engine, "clinic", &server.url()).await;
    let before = catalogue(&server).await;
    let planned = plan(&engine, &id, text("t", &["a"])).await.expect("planned");
    let mut old = server.connect().await.expect("a session");
    old.execute("BEGIN; UPDATE t SET a = a WHERE id = 1").await.expect("an old transaction");
    let job = changes::apply(engine.clone(), confirmed(&planned.id, None)).await.expect("starts");
    eventually(Duration::from_secs(20), async || is_in(&server, "waiting for writers%").await).await;
    server.stop();
    changed(&engine, &planned.id, &job).await.expect_err("its session ended");
    let told = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked").change;
    assert_eq!(
        (told.state, says(&told)),
        (ChangeState::CutOff, Some(Says::Unreachable)),
        "nothing is guessed: {told:?}"
    );
    server.restart().await.expect("it comes back");
    let told = changes::check(engine.clone(), by_id(&planned.id)).await.expect("asked").change;
    let left = catalogue(&server).await != before;
    assert_eq!(says(&told), Some(if left { Says::HalfDone } else { Says::AsBefore }), "{told:?}");
    apply(&engine, &planned.id, None).await.expect("brought to its end");
    assert_eq!(valid(&server, "ix_t_a").await, Some(true));
    undo(&engine, &planned.id).await.expect("undone");
    assert_eq!(catalogue(&server).await, before, "as before");
    engine.shutdown().await;
}

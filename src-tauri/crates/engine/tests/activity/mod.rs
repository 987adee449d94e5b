//! Activity of real databases: who waits for whom as the server itself has it, ending what holds up others, and the watch that
//! all who ask share.

mod bloat;
mod ending;
mod mariadb;
mod tree;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use perfdeck_engine::Engine;
use perfdeck_engine::changes::{self, ChangePlan};
use perfdeck_engine::database::{self, ActivityRequest};
use perfdeck_model::{ApiError, BlockingRow, Change, DatabaseActivity, DatabaseSession, Kind};
use perfdeck_testkit::sqlx::postgres::PgConnection;
use perfdeck_testkit::sqlx::{self, AssertSqlSafe, Executor as _, Row as _};
use perfdeck_testkit::{Postgres, eventually};
use tokio::task::JoinHandle;

async fn environment(engine: &Arc<Engine>, name: &str, kind: Kind, database: &str) -> String {
    crate::support::environment(
        engine,
        crate::support::draft(name, kind, crate::support::database(database.to_owned())),
    )
    .await
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

async fn plan(engine: &Arc<Engine>, id: &str, kind: &str, object: &str) -> Result<Change, ApiError> {
    let asked = ChangePlan { kind: kind.to_owned(), environment_id: id.to_owned(), object: object.to_owned() };
    changes::plan(engine.clone(), asked).await.map(|detail| detail.change)
}

const TABLES: &str = "
    CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL); INSERT INTO t SELECT g, 0 FROM generate_series(1, 100) g;
    CREATE TABLE u (id int); CREATE ROLE writer LOGIN PASSWORD 'writer'; GRANT ALL ON t, u TO writer;
    CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT pg_monitor TO reader";

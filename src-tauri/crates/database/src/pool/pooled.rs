//! A connection that was checked out, and its way back.
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Executor, MySql, Postgres, Sqlite, SqliteConnection};
use tokio::sync::OwnedSemaphorePermit;

use super::counts::Shared;
use crate::Result;
use crate::error::explain;

/// Longest time that a return takes: sqlx pings before it keeps a connection, and a network that swallows everything would
/// hold the seat for ever.
const RETURN: Duration = Duration::from_secs(2);

tokio::task_local! {
    /// Whether the connection that this task returns was counted as idle.
    static KEPT: Cell<bool>;
}

/// The connection that this task returns is counted as idle from now on.
pub(super) fn kept() {
    // sqlx runs the hook within the task that returns it.
    let _ = KEPT.try_with(|kept| kept.set(true));
}

/// The engine's own connection inside a [`Pooled`].
#[derive(Debug)]
pub enum Held {
    /// PostgreSQL.
    Postgres(PoolConnection<Postgres>),
    /// MySQL or MariaDB.
    Mysql(PoolConnection<MySql>),
    /// SQLite.
    Sqlite(PoolConnection<Sqlite>),
}

/// A connection that was checked out; dropping it returns it.
#[derive(Debug)]
pub struct Pooled {
    held: Option<Held>,
    permit: Option<OwnedSemaphorePermit>,
    shared: Arc<Shared>,
    since: Instant,
}

impl Pooled {
    pub(super) fn new(held: Held, permit: OwnedSemaphorePermit, shared: Arc<Shared>) -> Self {
        Self { held: Some(held), permit: Some(permit), shared, since: Instant::now() }
    }

    /// The engine's connection, for queries with arguments; `None` never happens before the drop.
    pub fn held(&mut self) -> Option<&mut Held> {
        self.held.as_mut()
    }

    /// The connection when it is one to SQLite.
    pub fn sqlite(&mut self) -> Option<&mut SqliteConnection> {
        match &mut self.held {
            Some(Held::Sqlite(c)) => Some(c),
            _ => None,
        }
    }

    /// Runs one statement without arguments and reads all its rows; returns how many rows it affected or returned.
    ///
    /// # Errors
    /// [`crate::Error::Server`] when the server refuses it.
    pub async fn execute(&mut self, sql: &str) -> Result<u64> {
        let address = self.shared.address.clone();
        let statement = || sqlx::AssertSqlSafe(sql.to_owned());
        let outcome = match &mut self.held {
            Some(Held::Postgres(c)) => c.execute(statement()).await.map(|r| r.rows_affected()),
            Some(Held::Mysql(c)) => c.execute(statement()).await.map(|r| r.rows_affected()),
            Some(Held::Sqlite(c)) => c.execute(statement()).await.map(|r| r.rows_affected()),
            None => Ok(0),
        };
        outcome.map_err(|e| explain(&address, &e).into())
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let (Some(mut held), permit) = (self.held.take(), self.permit.take()) else { return };
        let shared = self.shared.clone();
        shared.hold.add(self.since.elapsed());
        // The seat is free once the connection is back, not before: the next caller finds it instead of opening one.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let returning = shared.count(|s| &s.returning);
            runtime.spawn(KEPT.scope(Cell::new(false), async move {
                let work = async {
                    match &mut held {
                        Held::Postgres(c) => c.return_to_pool().await,
                        Held::Mysql(c) => c.return_to_pool().await,
                        Held::Sqlite(c) => c.return_to_pool().await,
                    }
                };
                // One that does not answer is given up: dropped, and no longer among the open ones.
                if tokio::time::timeout(RETURN, work).await.is_err() && KEPT.with(Cell::get) {
                    shared.idle.fetch_sub(1, Ordering::AcqRel);
                }
                drop((returning, permit));
            }));
        }
    }
}

//! A pool with the meaning SQLAlchemy's `QueuePool` gives its four settings, for all engines.
//!
//! At most `size + max_overflow` connections; one that comes back is kept while fewer than `size` are idle and closed
//! otherwise; age is checked at check-out; the timeout covers the wait for a free connection and nothing else. Nothing
//! is opened before it is needed. Source: SQLAlchemy `lib/sqlalchemy/pool/impl.py`.
mod counts;
mod pooled;
mod sqlite;
mod times;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use perfdeck_model::{Address, ApiError, ErrorCode, PoolSettings, PoolStats, Scheme, Sensitive};
use sqlx::pool::{PoolConnectionMetadata, PoolOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Database, MySql, Postgres, Sqlite};
use tokio::sync::OwnedSemaphorePermit;

use self::counts::Shared;
pub use self::pooled::{Held, Pooled};
pub use self::sqlite::SqlitePools;
use crate::connect::{Database as Opened, close, connect};
use crate::error::explain;
use crate::options::{mysql_options, named, postgres_options, sqlite_options};
use crate::{Error, Result};

/// Longest time to open one connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait for the answer to a ping at check-out.
const PING: Duration = Duration::from_secs(1);
/// A connection that was idle for less is not pinged again: sqlx pings at every return already.
const FRESH: Duration = Duration::from_secs(1);
/// How long SQLite waits for another process's lock.
const BUSY: Duration = Duration::from_secs(5);

/// One of sqlx's pools.
#[derive(Debug, Clone)]
enum Lane {
    Postgres(sqlx::Pool<Postgres>),
    Mysql(sqlx::Pool<MySql>),
    Sqlite(sqlx::Pool<Sqlite>),
}

/// A pool of connections to one database. Cloning it shares it.
#[derive(Debug, Clone)]
pub struct Pool {
    lane: Lane,
    shared: Arc<Shared>,
}

/// Hooks that give sqlx's pool the semantics above.
fn options<DB: Database>(shared: &Arc<Shared>) -> PoolOptions<DB>
where
    DB::Connection: Connection,
{
    let (new, out, back) = (shared.clone(), shared.clone(), shared.clone());
    let recycle = Duration::from_secs_f64(shared.settings.recycle_s);
    let keep = i64::from(shared.settings.size);
    PoolOptions::<DB>::new()
        .max_connections(shared.settings.size + shared.settings.max_overflow)
        .min_connections(0)
        // The wait for a seat is measured outside; this bounds opening a connection.
        .acquire_timeout(CONNECT)
        // Both off: sqlx then has no reaper, and `idle` stays exact.
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |_: &mut DB::Connection, _| {
            new.created.fetch_add(1, Ordering::AcqRel);
            Box::pin(async { Ok(()) })
        })
        // Pinged in the hook instead, so that every check-out of an idle connection passes it.
        .test_before_acquire(false)
        .before_acquire(move |connection: &mut DB::Connection, meta: PoolConnectionMetadata| {
            let shared = out.clone();
            shared.idle.fetch_sub(1, Ordering::AcqRel);
            Box::pin(async move {
                if meta.age >= recycle {
                    shared.closed_age.fetch_add(1, Ordering::AcqRel);
                    return Ok(false);
                }
                let alive =
                    meta.idle_for < FRESH || matches!(tokio::time::timeout(PING, connection.ping()).await, Ok(Ok(())));
                if !alive {
                    shared.closed_dead.fetch_add(1, Ordering::AcqRel);
                }
                Ok(alive)
            })
        })
        .after_release(move |_: &mut DB::Connection, _| {
            let kept = back.idle.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < keep).then_some(n + 1));
            if kept.is_ok() {
                pooled::kept();
            } else {
                back.closed_beyond.fetch_add(1, Ordering::AcqRel);
            }
            Box::pin(async move { Ok(kept.is_ok()) })
        })
}

/// How many connections the settings allow.
///
/// # Errors
/// [`Error::Settings`] for settings out of range.
fn seats(settings: &PoolSettings) -> Result<usize> {
    let total = u64::from(settings.size) + u64::from(settings.max_overflow);
    if settings.size == 0 || total > 1000 {
        return Err(Error::Settings(format!("a pool of {} + {} connections", settings.size, settings.max_overflow)));
    }
    for (name, value) in [("timeout", settings.timeout_s), ("recycle", settings.recycle_s)] {
        // The upper bound is a year: durations beyond it are typing errors and would overflow later.
        if !value.is_finite() || value <= 0.0 || value > 31_536_000.0 {
            return Err(Error::Settings(format!("a pool {name} of {value} s")));
        }
    }
    Ok(usize::try_from(total).unwrap_or(1))
}

impl Pool {
    /// Opens a pool, after one bare connection has shown that address and credentials work: a pool would retry and then
    /// report a wrong password as a time-out. That connection is closed again; the pool starts empty.
    ///
    /// # Errors
    /// [`Error::Settings`] for settings out of range, [`Error::Server`] when the server or the credentials fail.
    pub async fn open(address: &Address, password: Option<&Sensitive>, settings: &PoolSettings) -> Result<Self> {
        let seats = seats(settings)?;
        let first = connect(address, password, Duration::from_secs(3)).await?;
        let behind_pooler = matches!(&first, Opened::Postgres(session) if session.is_shared());
        close(first).await;
        let shared = Shared::new(address, settings, seats);
        let lane = match address.scheme {
            Scheme::Postgres => {
                let plain = postgres_options(address, password);
                // A pooler's server connections are others' too: no name is left on them, and nothing is prepared.
                let own = if behind_pooler { plain.statement_cache_capacity(0) } else { named(plain, "perfdeck-pool") };
                Lane::Postgres(options(&shared).connect_lazy_with(own))
            }
            Scheme::Mysql | Scheme::Mariadb => {
                Lane::Mysql(options(&shared).connect_lazy_with(mysql_options(address, password)))
            }
            _ => return Ok(Self::of_file(shared, sqlite_options(address))),
        };
        Ok(Self { lane, shared })
    }

    fn of_file(shared: Arc<Shared>, connect: SqliteConnectOptions) -> Self {
        Self { lane: Lane::Sqlite(options(&shared).connect_lazy_with(connect.busy_timeout(BUSY))), shared }
    }

    /// Checks out a connection, waiting up to `timeout_s` while all are in use. One that was in use within the last second
    /// costs no round trip.
    ///
    /// # Errors
    /// [`Error::PoolTimeout`] when none became free in time, [`Error::PoolClosed`], and [`Error::Server`] when a new
    /// connection was due and could not be opened.
    pub async fn acquire(&self) -> Result<Pooled> {
        let shared = &self.shared;
        let started = Instant::now();
        let permit = match shared.seats.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(tokio::sync::TryAcquireError::Closed) => return Err(self.closed()),
            Err(tokio::sync::TryAcquireError::NoPermits) => self.queue().await?,
        };
        shared.reconcile(|| self.sizes().1);
        let taking = shared.count(|s| &s.taking);
        let held = match &self.lane {
            Lane::Postgres(pool) => pool.acquire().await.map(Held::Postgres),
            Lane::Mysql(pool) => pool.acquire().await.map(Held::Mysql),
            Lane::Sqlite(pool) => pool.acquire().await.map(Held::Sqlite),
        };
        drop(taking);
        match held {
            Ok(held) => {
                shared.wait.add(started.elapsed());
                Ok(Pooled::new(held, permit, shared.clone()))
            }
            Err(sqlx::Error::PoolClosed) => Err(self.closed()),
            Err(sqlx::Error::PoolTimedOut) => {
                let message = format!("{} did not take a new connection within {CONNECT:?}", shared.address.short());
                Err(ApiError::new(ErrorCode::Unreachable, message).hint("Is the server running?").into())
            }
            Err(error) => Err(explain(&shared.address, &error).into()),
        }
    }

    async fn queue(&self) -> Result<OwnedSemaphorePermit> {
        let shared = &self.shared;
        let waiting = shared.count(|s| &s.waiting);
        let limit = Duration::from_secs_f64(shared.settings.timeout_s);
        let outcome = tokio::time::timeout(limit, shared.seats.clone().acquire_owned()).await;
        drop(waiting);
        match outcome {
            Ok(Ok(permit)) => {
                shared.waited.fetch_add(1, Ordering::Relaxed);
                Ok(permit)
            }
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => {
                shared.timeouts.fetch_add(1, Ordering::Relaxed);
                let stats = self.stats();
                Err(Error::PoolTimeout {
                    address: shared.address.short(),
                    timeout_s: shared.settings.timeout_s,
                    in_use: stats.in_use,
                    waiting: stats.waiting,
                })
            }
        }
    }

    fn closed(&self) -> Error {
        Error::PoolClosed(self.shared.address.short())
    }

    /// Open connections, and those in the queue.
    fn sizes(&self) -> (u32, usize) {
        match &self.lane {
            Lane::Postgres(pool) => (pool.size(), pool.num_idle()),
            Lane::Mysql(pool) => (pool.size(), pool.num_idle()),
            Lane::Sqlite(pool) => (pool.size(), pool.num_idle()),
        }
    }

    /// Present state and counters since the pool was opened.
    pub fn stats(&self) -> PoolStats {
        self.shared.stats(|| self.sizes())
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> &PoolSettings {
        &self.shared.settings
    }

    /// Closes the pool: waiting callers fail at once, idle connections close, those in use close at their return.
    /// Waits up to two seconds for them.
    pub async fn close(&self) {
        self.shared.seats.close();
        self.shared.end(|| self.sizes());
        let work = async {
            match &self.lane {
                Lane::Postgres(pool) => pool.close().await,
                Lane::Mysql(pool) => pool.close().await,
                Lane::Sqlite(pool) => pool.close().await,
            }
        };
        // Whoever still holds a connection keeps it until its return; the pool gives out no more.
        let _ = tokio::time::timeout(Duration::from_secs(2), work).await;
    }
}

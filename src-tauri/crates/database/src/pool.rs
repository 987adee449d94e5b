//! A pool with the meaning SQLAlchemy's `QueuePool` gives its four settings, for all engines.
//!
//! At most `size + max_overflow` connections; one that comes back is kept while fewer than `size` are idle and closed
//! otherwise; age is checked at check-out; the timeout covers the wait for a free connection and nothing else. Nothing
//! is opened before it is needed. Source: SQLAlchemy `lib/sqlalchemy/pool/impl.py`.
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use perfdeck_model::{Address, ApiError, ErrorCode, PoolSettings, Scheme, Sensitive};
use serde::Serialize;
use sqlx::pool::{PoolConnection, PoolConnectionMetadata, PoolOptions};
use sqlx::{Connection, Database, Executor, MySql, Postgres, Sqlite, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
/// Waits are counted in powers of two of microseconds, up to about an hour.
const BUCKETS: usize = 32;

/// Counters of a pool, and its present state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PoolStats {
    /// Connections kept when idle.
    pub size: u32,
    /// Connections allowed beyond that.
    pub max_overflow: u32,
    /// Open connections.
    pub open: u32,
    /// Open and not in use.
    pub idle: u32,
    /// Checked out, or on their way back.
    pub in_use: u32,
    /// Open beyond `size`.
    pub overflow: u32,
    /// Callers that wait for a connection.
    pub waiting: u32,
    /// Connections given out so far.
    pub acquired: u64,
    /// How many of these had to wait because all connections were in use.
    pub waited: u64,
    /// Waits that ended in [`Error::PoolTimeout`].
    pub timeouts: u64,
    /// Connections closed at check-out because of their age or because they were dead.
    pub recycled: u64,
    /// Connections closed at their return because enough were idle.
    pub overflow_closed: u64,
    /// Median wait of all check-outs in milliseconds (upper bound of its power of two); `None` before the first.
    pub wait_p50_ms: Option<f64>,
    /// 99th percentile, likewise.
    pub wait_p99_ms: Option<f64>,
    /// Longest wait, in milliseconds.
    pub wait_max_ms: f64,
    /// Sum of all waits, in milliseconds.
    pub wait_total_ms: f64,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    settings: PoolSettings,
    seats: Arc<Semaphore>,
    /// Idle connections, including those on their way into the queue.
    idle: AtomicI64,
    waiting: AtomicU64,
    acquired: AtomicU64,
    waited: AtomicU64,
    timeouts: AtomicU64,
    recycled: AtomicU64,
    overflow_closed: AtomicU64,
    wait_us: AtomicU64,
    wait_max_us: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Shared {
    fn record(&self, wait: Duration) {
        let us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        let bucket = usize::try_from(64 - us.leading_zeros()).unwrap_or(BUCKETS).min(BUCKETS - 1);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.wait_us.fetch_add(us, Ordering::Relaxed);
        self.wait_max_us.fetch_max(us, Ordering::Relaxed);
        self.acquired.fetch_add(1, Ordering::Relaxed);
    }

    fn quantile(&self, q: f64) -> Option<f64> {
        let counts: Vec<u64> = self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let rank = (total as f64 * q).ceil() as u64;
        let mut seen = 0;
        for (i, n) in counts.iter().enumerate() {
            seen += n;
            if total > 0 && seen >= rank.max(1) {
                // Bucket i holds waits below 2^i µs; those below one microsecond did not wait.
                return Some(if i == 0 { 0.0 } else { (1u64 << i) as f64 / 1e3 });
            }
        }
        None
    }
}

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
}

/// Hooks that give sqlx's pool the semantics above.
fn options<DB: Database>(shared: &Arc<Shared>) -> PoolOptions<DB>
where
    DB::Connection: Connection,
{
    let (out, back) = (shared.clone(), shared.clone());
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
        // Pinged in the hook instead, so that every check-out of an idle connection passes it.
        .test_before_acquire(false)
        .before_acquire(move |connection: &mut DB::Connection, meta: PoolConnectionMetadata| {
            let shared = out.clone();
            shared.idle.fetch_sub(1, Ordering::AcqRel);
            Box::pin(async move {
                let old = meta.age >= recycle;
                let dead = !old
                    && meta.idle_for >= FRESH
                    && !matches!(tokio::time::timeout(PING, connection.ping()).await, Ok(Ok(())));
                if old || dead {
                    shared.recycled.fetch_add(1, Ordering::Relaxed);
                }
                Ok(!old && !dead)
            })
        })
        .after_release(move |_: &mut DB::Connection, _| {
            let kept = back.idle.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < keep).then_some(n + 1));
            if kept.is_err() {
                back.overflow_closed.fetch_add(1, Ordering::Relaxed);
            }
            Box::pin(async move { Ok(kept.is_ok()) })
        })
}

impl Pool {
    /// Opens a pool, after one bare connection has shown that address and credentials work: a pool would retry and then
    /// report a wrong password as a time-out. That connection is closed again; the pool starts empty.
    ///
    /// # Errors
    /// [`Error::Settings`] for settings out of range, [`Error::Server`] when the server or the credentials fail.
    pub async fn open(address: &Address, password: Option<&Sensitive>, settings: &PoolSettings) -> Result<Self> {
        let total = u64::from(settings.size) + u64::from(settings.max_overflow);
        if settings.size == 0 || total > 1000 {
            return Err(Error::Settings(format!(
                "a pool of {} + {} connections",
                settings.size, settings.max_overflow
            )));
        }
        for (name, value) in [("timeout", settings.timeout_s), ("recycle", settings.recycle_s)] {
            // The upper bound is a year: durations beyond it are typing errors and would overflow later.
            if !value.is_finite() || value <= 0.0 || value > 31_536_000.0 {
                return Err(Error::Settings(format!("a pool {name} of {value} s")));
            }
        }
        let first = connect(address, password, Duration::from_secs(3)).await?;
        let behind_pooler = matches!(&first, Opened::Postgres(session) if session.is_shared());
        close(first).await;
        let seats = usize::try_from(total).unwrap_or(1);
        let shared = Arc::new(Shared {
            address: address.clone(),
            settings: settings.clone(),
            seats: Arc::new(Semaphore::new(seats)),
            idle: AtomicI64::new(0),
            waiting: AtomicU64::new(0),
            acquired: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            recycled: AtomicU64::new(0),
            overflow_closed: AtomicU64::new(0),
            wait_us: AtomicU64::new(0),
            wait_max_us: AtomicU64::new(0),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
        });
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
            _ => Lane::Sqlite(
                options(&shared).connect_lazy_with(sqlite_options(address).busy_timeout(Duration::from_secs(5))),
            ),
        };
        Ok(Self { lane, shared })
    }

    /// Checks out a connection, waiting up to `timeout_s` while all are in use.
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
        self.reconcile();
        let held = match &self.lane {
            Lane::Postgres(pool) => pool.acquire().await.map(Held::Postgres),
            Lane::Mysql(pool) => pool.acquire().await.map(Held::Mysql),
            Lane::Sqlite(pool) => pool.acquire().await.map(Held::Sqlite),
        };
        match held {
            Ok(held) => {
                shared.record(started.elapsed());
                Ok(Pooled { held: Some(held), permit: Some(permit), shared: shared.clone() })
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
        /// Counts a caller as waiting until it is dropped, also when the caller gives up.
        struct Waiting<'a>(&'a AtomicU64);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        let shared = &self.shared;
        shared.waiting.fetch_add(1, Ordering::AcqRel);
        let waiting = Waiting(&shared.waiting);
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

    fn sizes(&self) -> (u32, usize) {
        match &self.lane {
            Lane::Postgres(pool) => (pool.size(), pool.num_idle()),
            Lane::Mysql(pool) => (pool.size(), pool.num_idle()),
            Lane::Sqlite(pool) => (pool.size(), pool.num_idle()),
        }
    }

    /// A connection that died between its return and the idle queue was counted and is not there. With nothing on its
    /// way the queue's own length is the truth.
    fn reconcile(&self) {
        let counted = self.shared.idle.load(Ordering::Acquire);
        let (open, idle) = self.sizes();
        let idle_now = i64::try_from(idle).unwrap_or(i64::MAX);
        if i64::from(open) == idle_now && counted != idle_now {
            let _ = self.shared.idle.compare_exchange(counted, idle_now, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Present state and counters since the pool was opened.
    pub fn stats(&self) -> PoolStats {
        let shared = &self.shared;
        let (open, idle) = self.sizes();
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(open);
        let read = |a: &AtomicU64| a.load(Ordering::Relaxed);
        PoolStats {
            size: shared.settings.size,
            max_overflow: shared.settings.max_overflow,
            open,
            idle,
            in_use: open - idle,
            overflow: open.saturating_sub(shared.settings.size),
            waiting: u32::try_from(read(&shared.waiting)).unwrap_or(u32::MAX),
            acquired: read(&shared.acquired),
            waited: read(&shared.waited),
            timeouts: read(&shared.timeouts),
            recycled: read(&shared.recycled),
            overflow_closed: read(&shared.overflow_closed),
            wait_p50_ms: shared.quantile(0.5),
            wait_p99_ms: shared.quantile(0.99),
            wait_max_ms: read(&shared.wait_max_us) as f64 / 1e3,
            wait_total_ms: read(&shared.wait_us) as f64 / 1e3,
        }
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> &PoolSettings {
        &self.shared.settings
    }

    /// Closes the pool: waiting callers fail at once, idle connections close, those in use close at their return.
    /// Waits up to two seconds for them.
    pub async fn close(&self) {
        self.shared.seats.close();
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

impl Pooled {
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
    /// [`Error::Server`] when the server refuses it.
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
        // The seat is free once the connection is back, not before: the next caller finds it instead of opening one.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                match &mut held {
                    Held::Postgres(c) => c.return_to_pool().await,
                    Held::Mysql(c) => c.return_to_pool().await,
                    Held::Sqlite(c) => c.return_to_pool().await,
                }
                drop(permit);
            });
        }
    }
}

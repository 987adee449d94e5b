//! Pools of applications, as far as they are known from outside: a database sees sessions, and a pool is the sessions of one
//! application from one address. How large it may be and how many of its callers wait is known to the application alone;
//! a pooler in between knows its own waiters.
mod churn;
mod group;
mod mysql;
mod pgbouncer;
mod postgres;
pub(crate) mod told;

use std::time::Duration;

use perfdeck_model::{Address, ApiError, Clock, ConnectionLimits, DatabasePools, PoolerPools, Sensitive};
use perfdeck_words as words;

use self::churn::History;
use self::group::{Seen, grouped};
pub(crate) use self::pgbouncer::Console;
use crate::connect::{Database, close, connect, no_server, stalled};
use crate::error::explain;
use crate::hints::grant;
use crate::own;

/// Longest time of one reading.
const DEADLINE: Duration = Duration::from_secs(3);
/// Longest wait for the sessions behind a pooler, which may have no server connection free.
const BEHIND_POOLER: Duration = Duration::from_millis(1_200);
/// Sessions that are looked at.
const SESSIONS: usize = 5_000;

/// What a server says about its sessions.
#[derive(Default)]
struct Sessions {
    seen: Vec<Seen>,
    /// Sessions whose state is hidden; `None` when that is not told.
    hidden: Option<u32>,
    limits: Option<ConnectionLimits>,
    /// What the figures do not hold.
    note: Option<String>,
}

/// What a pooler says about waiters, or why nobody does.
#[derive(Default)]
struct Waiting {
    pooler: Option<PoolerPools>,
    unknown: Option<String>,
    fix: Option<String>,
    waits: pgbouncer::Waits,
}

/// Reads the pools of one database again and again. It keeps its connection in between, because signing in costs the server
/// more than the question, and opens another one when that was lost.
pub struct PoolsReader {
    address: Address,
    password: Option<Sensitive>,
    database: Option<Database>,
    history: History,
    /// What clients had waited at the reading before.
    waits: pgbouncer::Waits,
}

impl std::fmt::Debug for PoolsReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoolsReader").field("address", &self.address.short()).finish_non_exhaustive()
    }
}

impl PoolsReader {
    /// A reader of the database at `address`. It connects at its first reading.
    pub fn new(address: Address, password: Option<Sensitive>) -> Self {
        Self { address, password, database: None, history: History::default(), waits: pgbouncer::Waits::new() }
    }

    /// Reads them. `own` is empty: who has pools of Perfdeck's own adds them.
    ///
    /// # Errors
    /// When the database cannot be reached or does not answer within 3 s.
    pub async fn read(&mut self, clock: &dyn Clock) -> Result<DatabasePools, ApiError> {
        let end = tokio::time::Instant::now() + DEADLINE;
        let kept = self.database.is_some();
        let outcome = match self.attempt(end).await {
            // The server may have ended the session that was kept: a new one tells whether it is there.
            Err(error) if kept && error.retryable => self.attempt(end).await.map_err(|_| error),
            outcome => outcome,
        };
        let (sessions, mut waiting) = outcome?;
        if let Some(pooler) = &mut waiting.pooler {
            pgbouncer::tell_waits(&mut pooler.pools, &self.waits, &waiting.waits);
            self.waits = std::mem::take(&mut waiting.waits);
        }
        let Sessions { seen, hidden, limits, note } = sessions;
        let (mut applications, left_out) = grouped(&seen);
        self.history.add(clock.monotonic_ms(), &seen);
        for pool in &mut applications {
            pool.churn = self.history.churn(pool);
        }
        Ok(DatabasePools {
            at_ms: clock.now_ms(),
            applications,
            left_out,
            note,
            hidden,
            grant: (hidden != Some(0)).then(|| grant(&self.address)),
            limits,
            pooler: waiting.pooler,
            waiting_unknown: waiting.unknown,
            waiting_fix: waiting.fix,
            own: Vec::new(),
        })
    }

    /// Ends the connection that is kept between readings.
    pub async fn release(&mut self) {
        if let Some(database) = self.database.take() {
            close(database).await;
        }
    }

    async fn attempt(&mut self, end: tokio::time::Instant) -> Result<(Sessions, Waiting), ApiError> {
        // Taken out while it is used: one that was given up in the middle is not used again.
        let mut database = match self.database.take() {
            Some(database) => database,
            None => {
                let left = end.saturating_duration_since(tokio::time::Instant::now());
                let database = connect(&self.address, self.password.as_ref(), left).await?;
                if matches!(database, Database::Postgres(_)) {
                    own::add(&self.address, 1.0, 1);
                }
                database
            }
        };
        let (address, password) = (&self.address, self.password.as_ref());
        let work = async {
            let failed = |error: sqlx::Error| explain(address, &error);
            match &mut database {
                Database::Postgres(c) if c.is_shared() => {
                    // First: our own question may have to wait for a server connection too.
                    let waiting = pgbouncer::waiting(address, password).await;
                    own::add(address, 1.0, 0);
                    match tokio::time::timeout(BEHIND_POOLER, postgres::sessions(c)).await {
                        Ok(sessions) => Ok((sessions.map_err(failed)?, waiting, true)),
                        Err(_) if waiting.pooler.is_some() => Ok((none_free(), waiting, false)),
                        Err(_) => Err(no_server(address, BEHIND_POOLER)),
                    }
                }
                Database::Postgres(c) => {
                    own::add(address, 1.0, 0);
                    let sessions = postgres::sessions(c).await.map_err(failed)?;
                    Ok((sessions, untold("this address leads to the server itself"), true))
                }
                Database::Mysql(c) => {
                    let sessions = mysql::sessions(c, address).await.map_err(failed)?;
                    Ok((sessions, untold("there is none for this server"), true))
                }
                Database::Sqlite(_) => Ok((of_file(), untold("a file has none"), true)),
            }
        };
        match tokio::time::timeout_at(end, work).await {
            Ok(Ok((sessions, waiting, answered))) => {
                // One that still owes an answer is not asked again.
                self.database = answered.then_some(database);
                Ok((sessions, waiting))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(stalled(&self.address, &database, DEADLINE)),
        }
    }
}

/// Nobody tells how many clients wait, and `why` there is no pooler that would.
fn untold(why: &str) -> Waiting {
    let text = format!(
        "A pool inside an application tells nobody outside how many callers wait for it. A pooler such as PgBouncer would; {why}"
    );
    Waiting { unknown: Some(text), ..Waiting::default() }
}

/// The pooler tells of itself and has no server connection free for the question about sessions.
fn none_free() -> Sessions {
    let note = "The server's sessions are not shown: the pooler has no server connection free to ask for them";
    Sessions { hidden: Some(0), note: Some(note.to_owned()), ..Sessions::default() }
}

fn of_file() -> Sessions {
    Sessions {
        hidden: Some(0),
        note: Some("SQLite has no sessions: each process opens the file by itself, and nobody counts them".to_owned()),
        ..Sessions::default()
    }
}

/// The note about sessions beyond those that are looked at.
fn beyond(all: usize) -> Option<String> {
    let more = i64::try_from(all.saturating_sub(SESSIONS)).unwrap_or(i64::MAX);
    (more > 0).then(|| format!("{} more sessions are not looked at", words::count(more)))
}

//! Pools of connections: those of applications as they are seen from outside, those of a pooler, and Perfdeck's own.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Times of one kind, over all that were measured since the pool was opened. Quantiles are exact to 1 %.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PoolTimes {
    /// Number of times that were measured.
    pub count: u64,
    /// Sum of all, in milliseconds.
    pub sum_ms: f64,
    /// Median, in milliseconds; `null` before the first.
    pub p50_ms: Option<f64>,
    /// 99th percentile, in milliseconds; `null` before the first.
    pub p99_ms: Option<f64>,
    /// Longest, in milliseconds; `null` before the first.
    pub max_ms: Option<f64>,
}

/// Connections that a pool closed, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PoolClosed {
    /// Older than the recycle age at a check-out.
    pub age: u64,
    /// Dead at a check-out: no answer to a ping.
    pub dead: u64,
    /// At their return, because enough others were idle.
    pub beyond_size: u64,
    /// Dead at their return, or given up in the middle of a check-out.
    pub lost: u64,
    /// With the pool.
    pub with_pool: u64,
}

/// State and counters of a pool of Perfdeck's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PoolStats {
    /// Connections kept when idle.
    pub size: u32,
    /// Connections allowed beyond that.
    pub max_overflow: u32,
    /// Longest wait for a connection, in seconds.
    pub timeout_s: f64,
    /// Age at which a connection is replaced at its next check-out, in seconds.
    pub recycle_s: f64,
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
    /// Waits that ended without a connection, after `timeout_s`.
    pub timeouts: u64,
    /// Connections opened so far.
    pub created: u64,
    /// Connections closed so far.
    pub closed: PoolClosed,
    /// From asking for a connection to having it, with opening one where that was due.
    pub wait: PoolTimes,
    /// From having a connection to handing it back.
    pub hold: PoolTimes,
}

/// A pool of Perfdeck's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct OwnPool {
    /// What it serves, such as `demo API, readers`.
    pub name: String,
    /// State and counters.
    #[serde(flatten)]
    pub stats: PoolStats,
}

/// Sessions by what they do. Each is in one of the counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct SessionStates {
    /// Run a statement that waits for a lock.
    pub lock_wait: u32,
    /// Run a statement.
    pub active: u32,
    /// Hold a transaction open and run nothing.
    pub idle_in_transaction: u32,
    /// Do nothing.
    pub idle: u32,
    /// Their state is hidden from this user, or none of these.
    pub unknown: u32,
}

impl SessionStates {
    /// Sessions that do something: an application's pool has given their connections out.
    pub fn in_use(self) -> u32 {
        self.lock_wait + self.active + self.idle_in_transaction
    }

    /// All of them.
    pub fn total(self) -> u32 {
        self.in_use() + self.idle + self.unknown
    }
}

/// Sessions that began and ended between two or more readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Churn {
    /// Sessions that began, per minute. One that began and ended between two readings is in neither figure.
    pub begun_per_min: f64,
    /// Sessions that ended, per minute.
    pub ended_per_min: f64,
    /// Time between the first and the last reading, in seconds.
    pub over_s: f64,
}

/// Sessions of one application from one address: what its pool looks like from the database's side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ApplicationPool {
    /// Name that the clients gave themselves; `null` where they gave none or the server keeps none.
    pub application: Option<String>,
    /// Address they come from; `null` for a socket on the server's own machine, or where it is hidden.
    pub address: Option<String>,
    /// Users they signed in as.
    pub users: Vec<String>,
    /// Number of sessions.
    pub sessions: u32,
    /// The same by state.
    pub states: SessionStates,
    /// Age of the oldest session, in seconds; `null` where the server does not tell when sessions began.
    pub oldest_s: Option<f64>,
    /// Age of the newest session, in seconds; likewise.
    pub newest_s: Option<f64>,
    /// Longest time that one of them has been idle, in seconds; `null` when none is idle.
    pub longest_idle_s: Option<f64>,
    /// Longest time that one of them has been idle in a transaction, in seconds; `null` when none is.
    pub longest_idle_in_transaction_s: Option<f64>,
    /// Sessions that began within the last minute and are still there; `null` where the server does not tell.
    pub begun_last_minute: Option<u32>,
    /// Sessions begun and ended; `null` until there are two readings, half a minute apart at least.
    pub churn: Option<Churn>,
}

/// Connections that the server has for clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ConnectionLimits {
    /// Connections that the server takes at most.
    pub max: u32,
    /// Of these, kept for administrators.
    pub reserved: u32,
    /// In use by anybody, Perfdeck included; `null` where the server does not tell.
    pub used: Option<u32>,
}

/// One pool of PgBouncer: a database and a user. Counts are those of its `SHOW POOLS`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PoolerPool {
    /// Database, as clients name it.
    pub database: String,
    /// User.
    pub user: String,
    /// `session`, `transaction` or `statement`.
    pub mode: String,
    /// Clients that have a server connection, or are idle and ask for none.
    pub clients_active: u32,
    /// Clients that have asked for a server connection and have none yet.
    pub clients_waiting: u32,
    /// Server connections that a client has.
    pub servers_active: u32,
    /// Server connections that are free at once.
    pub servers_idle: u32,
    /// Server connections that were idle for so long that they are checked before use, are being checked, or sign in.
    pub servers_other: u32,
    /// Time that the oldest waiting client has waited, in seconds; 0 when none waits.
    pub longest_wait_s: f64,
    /// Server connections that the pool may have (`pool_size`); `null` where the pooler does not tell.
    pub size: Option<u32>,
    /// Server connections allowed beyond that (`reserve_pool_size`); likewise.
    pub reserve: Option<u32>,
    /// Mean time that clients of the database, of whichever user, waited for a server connection, in milliseconds, since the reading
    /// before: `total_wait_time` over connections given; `null` at the first reading and where none was given.
    pub mean_wait_ms: Option<f64>,
}

/// What a pooler before the database tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PoolerPools {
    /// Product and version, such as `PgBouncer 1.24.0`.
    pub version: Option<String>,
    /// Its pools; those of its own console are left out.
    pub pools: Vec<PoolerPool>,
}

/// Pools of a database at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct DatabasePools {
    /// Time of the reading in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Applications, those with the most sessions in use first.
    pub applications: Vec<ApplicationPool>,
    /// Applications that were left out because there are too many.
    pub left_out: u32,
    /// Why there are no applications to show, or what their figures do not hold, in words; `null` when nothing is to be said.
    pub note: Option<String>,
    /// Sessions whose state is hidden from this user; `null` where the server does not tell how many.
    pub hidden: Option<u32>,
    /// Statement that shows them, to be run by an administrator; `null` when nothing is hidden.
    pub grant: Option<String>,
    /// Connections that the server takes; `null` for a file.
    pub limits: Option<ConnectionLimits>,
    /// What the pooler tells that the environment's address leads to; `null` when there is none, or it does not tell.
    pub pooler: Option<PoolerPools>,
    /// Why it is not known how many clients wait for a connection, in words; `null` when the pooler tells.
    pub waiting_unknown: Option<String>,
    /// What makes the pooler tell, to be written into its settings; `null` where nothing would.
    pub waiting_fix: Option<String>,
    /// Perfdeck's own pools on this database. Their connections are not among the applications.
    pub own: Vec<OwnPool>,
}

//! Counters of statements at one moment. Pure.
use std::collections::HashMap;

/// One entry of a server's counters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatementKey {
    /// The server's own identifier of the statement: `queryid` of PostgreSQL, `DIGEST` of MySQL.
    pub id: String,
    /// It ran within another statement, as in a function: its time is within that one's too.
    pub nested: bool,
    /// The role that ran it, by its number in PostgreSQL; 0 where the server does not tell.
    pub user: i64,
}

/// What an entry has counted, or gained. `None` where the server does not count it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StatementCounts {
    /// Executions that ended.
    pub calls: u64,
    /// Time of executing them, in milliseconds, without planning. `total_exec_time` (before PostgreSQL 13 `total_time`);
    /// `SUM_TIMER_WAIT`.
    pub total_ms: f64,
    /// Rows returned or affected. `rows`; `SUM_ROWS_SENT + SUM_ROWS_AFFECTED`.
    pub rows: u64,
    /// Pages found in the server's memory. `shared_blks_hit`.
    pub hit: Option<u64>,
    /// Pages that were not. `shared_blks_read`.
    pub read: Option<u64>,
    /// Write-ahead log, in bytes. `wal_bytes`, PostgreSQL 13.
    pub wal_bytes: Option<u64>,
    /// Temporary pages read and written. `temp_blks_read + temp_blks_written`.
    pub temp: Option<u64>,
}

impl StatementCounts {
    /// What was gained since `before`; `None` where a counter went back: the entry is another one than it was.
    pub fn since(&self, before: &Self) -> Option<Self> {
        let less = |now: Option<u64>, then: Option<u64>| match (now, then) {
            (Some(now), Some(then)) => now.checked_sub(then).map(Some),
            // What was not counted before has no difference.
            _ => Some(None),
        };
        // A sum of rounded times can fall by less than a nanosecond without anything having gone back.
        let total_ms = self.total_ms - before.total_ms;
        if total_ms < -1e-6 {
            return None;
        }
        Some(Self {
            calls: self.calls.checked_sub(before.calls)?,
            total_ms: total_ms.max(0.0),
            rows: self.rows.checked_sub(before.rows)?,
            hit: less(self.hit, before.hit)?,
            read: less(self.read, before.read)?,
            wal_bytes: less(self.wal_bytes, before.wal_bytes)?,
            temp: less(self.temp, before.temp)?,
        })
    }

    /// Adds what another entry gained.
    pub fn add(&mut self, other: &Self) {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        self.calls = self.calls.saturating_add(other.calls);
        self.total_ms += other.total_ms;
        self.rows = self.rows.saturating_add(other.rows);
        self.hit = sum(self.hit, other.hit);
        self.read = sum(self.read, other.read);
        self.wal_bytes = sum(self.wal_bytes, other.wal_bytes);
        self.temp = sum(self.temp, other.temp);
    }

    /// Whether nothing was counted.
    pub fn is_nothing(&self) -> bool {
        self.calls == 0 && self.total_ms <= 0.0 && self.rows == 0
    }
}

/// One entry's counters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// What it has counted.
    pub counts: StatementCounts,
    /// Since when, in milliseconds since the Unix epoch, where the server tells: `stats_since` (PostgreSQL 17), `FIRST_SEEN`.
    pub since_ms: Option<f64>,
}

/// Entries that this user may not tell apart.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Hidden {
    /// How many there are.
    pub statements: u32,
    /// Their sum.
    pub counts: StatementCounts,
}

/// What the counters go back to; it changes when they were reset or the server began anew.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Origin {
    /// Start of the server, in milliseconds since the Unix epoch.
    pub started_ms: Option<f64>,
    /// Last reset of all counters. `pg_stat_statements_info.stats_reset`, PostgreSQL 14.
    pub reset_ms: Option<f64>,
}

/// The counters of one database at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// When they were read, in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// What they go back to.
    pub origin: Origin,
    /// How often the server dropped entries to make room (`dealloc`), or how many executions it could not record for want of
    /// room (MySQL): it only grows. `None` where the server does not tell.
    pub lost: Option<u64>,
    /// The entries, without Perfdeck's own.
    pub entries: HashMap<StatementKey, Entry>,
    /// Those that this user may not tell apart.
    pub hidden: Hidden,
    /// Entries beyond those that are read.
    pub left_out: u32,
}

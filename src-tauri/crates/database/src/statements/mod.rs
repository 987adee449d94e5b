//! Statements by what they cost: the counters that a server keeps of each, read cheaply and never reset.
//!
//! PostgreSQL keeps them in `pg_stat_statements`, MySQL and MariaDB in `performance_schema`. A reading is the counters since
//! some moment in the past; what happened between two readings is [`delta`]. Perfdeck's own statements are not in it: see
//! [`Unseen`].
mod counts;
mod delta;
mod mysql;
mod postgres;
mod reader;

use perfdeck_model::StatementsUnavailable;

pub use counts::{Entry, Hidden, Origin, Reading, StatementCounts, StatementKey};
pub use delta::{Cut, Delta, delta};
pub use reader::{StatementReader, StatementText};

/// Most entries of one reading; servers keep 5,000 (PostgreSQL) or 10,000 (MySQL) unless told otherwise.
const MOST: usize = 20_000;
/// Longest text that is read of a statement, in bytes.
const LONGEST: usize = 1 << 16;

/// How Perfdeck's own statements are kept out of the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unseen {
    /// The server does not record the sessions of monitoring: it was told so when they began, for them alone.
    NotRecorded,
    /// They are recorded, known by the mark in their text, and left out.
    Marked,
    /// They are recorded and cannot be told apart; they are in the figures, which is said.
    Counted,
}

/// What a reading came to.
#[derive(Debug)]
pub enum Found {
    /// The counters.
    Counters(Box<Reading>),
    /// The server keeps none, or not for this user.
    Unavailable(StatementsUnavailable),
}

//! What Perfdeck itself does on a database, in this process: the collector's readings, the look at running statements, the
//! watch of free connections. Whoever works there says so here, and the collector takes it out of its figures.
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use perfdeck_model::Address;
use perfdeck_sqltext::{Dialect, Kind, tokens};

/// What a statement of monitoring has in its text where the server records it: readers of statement statistics, ours among
/// them, know it by that, from whichever Perfdeck it came.
pub(crate) const MARK_TEXT: &str = "/* perfdeck */";

/// A statement with the mark behind its first word: what stands before that is no part of it for the server.
pub(crate) fn marked(sql: &str) -> String {
    let at = tokens(sql, Dialect::Postgres).iter().find(|t| t.kind == Kind::Word).map_or(0, |t| t.end);
    let (first, rest) = sql.split_at(at);
    format!("{first} {MARK_TEXT}{rest}")
}

/// Totals since the start of this process.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Done {
    /// Transactions.
    pub(crate) transactions: f64,
    /// Sessions that were opened: each looks up parts of the catalogue, which counts as page hits of the database.
    pub(crate) sessions: u32,
}

fn ledger() -> MutexGuard<'static, HashMap<String, Done>> {
    static LEDGER: OnceLock<Mutex<HashMap<String, Done>>> = OnceLock::new();
    LEDGER.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds work on the database at `address`.
pub(crate) fn add(address: &Address, transactions: f64, sessions: u32) {
    let mut ledger = ledger();
    let done = ledger.entry(address.url()).or_default();
    done.transactions += transactions;
    done.sessions += sessions;
}

/// Sessions of one database that are remembered by their number; numbers of older ones are in no list any more.
const IDS: usize = 64;

fn numbers() -> MutexGuard<'static, HashMap<String, VecDeque<i64>>> {
    static NUMBERS: OnceLock<Mutex<HashMap<String, VecDeque<i64>>>> = OnceLock::new();
    NUMBERS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes the number of a session of ours on a server whose sessions have no name (MySQL, MariaDB). A server gives no number
/// twice.
pub(crate) fn opened(address: &Address, id: i64) {
    let mut numbers = numbers();
    let ids = numbers.entry(address.url()).or_default();
    ids.push_back(id);
    if ids.len() > IDS {
        ids.pop_front();
    }
}

/// Numbers of this process's sessions there, those that have ended among them.
pub(crate) fn ids(address: &Address) -> Vec<i64> {
    numbers().get(&address.url()).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
}

/// Everything done so far on the database at `address`.
pub(crate) fn done(address: &Address) -> Done {
    ledger().get(&address.url()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_within_the_statement() {
        assert_eq!(marked("\n  SELECT 1"), "\n  SELECT /* perfdeck */ 1");
        assert_eq!(marked("-- why\nWITH a AS (SELECT 1) SELECT"), "-- why\nWITH /* perfdeck */ a AS (SELECT 1) SELECT");
    }
}

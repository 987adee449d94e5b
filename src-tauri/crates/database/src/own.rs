//! What Perfdeck itself does on a database, in this process: the collector's readings, the look at running statements, the
//! watch of free connections. Whoever works there says so here, and the collector takes it out of its figures.
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use perfdeck_model::Address;
use perfdeck_sqltext::{Dialect, Kind, pieces, tokens};

/// What a statement of monitoring has in its text where the server records it: readers of statement statistics, ours among
/// them, know it by that, from whichever Perfdeck it came.
pub(crate) const MARK_TEXT: &str = "/* perfdeck */";

/// A message with the mark behind the first word of each of its statements: what stands before that is no part of a statement
/// for the server, and each has an entry of its own.
pub(crate) fn marked(sql: &str) -> String {
    let of = |statement: &str| {
        let at = tokens(statement, Dialect::Postgres).iter().find(|t| t.kind == Kind::Word).map(|t| t.end);
        let Some((first, rest)) = at.map(|at| statement.split_at(at)) else { return statement.to_owned() };
        format!("{first} {MARK_TEXT}{rest}")
    };
    let statements = pieces(sql, Dialect::Postgres).into_iter().filter_map(|piece| sql.get(piece));
    statements.map(of).collect::<Vec<_>>().join(";")
}

/// Sessions that are remembered for one address.
const SESSIONS: usize = 1_000;

/// Connections that are opened at the same time, at most.
const TOGETHER: i64 = 16;

/// Totals since the start of this process.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Done {
    /// Transactions.
    pub(crate) transactions: f64,
    /// Sessions that were opened: each looks up parts of the catalogue, which counts as page hits of the database.
    pub(crate) sessions: u32,
}

/// What is known of one address.
#[derive(Debug, Default)]
struct Known {
    done: Done,
    /// The account that the server took MySQL's user for: user and host.
    account: Option<(String, String)>,
    /// Numbers of sessions, where a session cannot be given a name.
    sessions: BTreeSet<i64>,
}

fn ledger() -> MutexGuard<'static, HashMap<String, Known>> {
    static LEDGER: OnceLock<Mutex<HashMap<String, Known>>> = OnceLock::new();
    LEDGER.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds work on the database at `address`.
pub(crate) fn add(address: &Address, transactions: f64, sessions: u32) {
    let mut ledger = ledger();
    let done = &mut ledger.entry(address.url()).or_default().done;
    done.transactions += transactions;
    done.sessions += sessions;
}

/// Everything done so far on the database at `address`.
pub(crate) fn done(address: &Address) -> Done {
    ledger().get(&address.url()).map(|known| known.done).unwrap_or_default()
}

/// Adds a session by its number. MySQL's protocol has no name for an application, so a session of Perfdeck's own is told
/// by its number, which a server gives once while it runs.
pub(crate) fn began(address: &Address, number: i64) {
    let mut ledger = ledger();
    let sessions = &mut ledger.entry(address.url()).or_default().sessions;
    // Numbers only grow, but for those that are asked for at the same time: a much smaller one is of a server that was
    // restarted, and the others' are given to anybody now.
    if sessions.last().is_some_and(|last| number.saturating_add(TOGETHER) < *last) {
        sessions.clear();
    }
    sessions.insert(number);
    while sessions.len() > SESSIONS {
        sessions.pop_first();
    }
}

/// Notes the account that a session signed in as, as `CURRENT_USER()` writes it.
pub(crate) fn signed_in(address: &Address, account: &str) {
    if let Some((user, host)) = account.rsplit_once('@') {
        ledger().entry(address.url()).or_default().account = Some((user.to_owned(), host.to_owned()));
    }
}

/// User and host of the account that the last session at `address` signed in as.
pub(crate) fn account(address: &Address) -> Option<(String, String)> {
    ledger().get(&address.url()).and_then(|known| known.account.clone())
}

/// Numbers of the sessions of this process at `address`, those that ended included.
pub(crate) fn sessions(address: &Address) -> BTreeSet<i64> {
    ledger().get(&address.url()).map(|known| known.sessions.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_server_that_was_restarted_are_forgotten() {
        let (address, _) = Address::parse("mysql://u@own.example/d").expect("an address");
        for number in [5, 9, 42, 41] {
            began(&address, number);
        }
        let all = || sessions(&address).into_iter().collect::<Vec<_>>();
        assert_eq!(all(), [5, 9, 41, 42], "all of them are ours, in whatever order they told");
        began(&address, 4);
        assert_eq!(all(), [4], "a server that counts anew gives 5 to others");
    }

    #[test]
    fn the_mark_is_within_the_statement() {
        assert_eq!(marked("\n  SELECT 1"), "\n  SELECT /* perfdeck */ 1");
        assert_eq!(marked("-- why\nWITH a AS (SELECT 1) SELECT"), "-- why\nWITH /* perfdeck */ a AS (SELECT 1) SELECT");
        assert_eq!(
            marked("SELECT ';'; SELECT 2;"),
            "SELECT /* perfdeck */ ';'; SELECT /* perfdeck */ 2;",
            "each statement of a message has an entry of its own"
        );
    }
}

//! What can be done about sessions that wait, with what it frees and costs: the same for the window and `perfctl`. Pure.
use perfdeck_model::BlockingAction;
use perfdeck_words as words;

use super::doubt::doubt;
use super::end::keeps_locks;
use super::facts::{ActivityFacts, SessionFacts, rollback};
use super::tree::Row;
use super::{CANCEL, TERMINATE};

/// Roots whose ends are offered.
const ROOTS: usize = 3;

/// Price of ending a session: what is lost with it.
pub(crate) fn terminate_costs(s: &SessionFacts) -> String {
    if s.untracked() {
        return "what it does is not tracked: an open transaction is rolled back, its client disconnected".to_owned();
    }
    match (s.rows_written, s.wrote, s.transaction_ms.is_some()) {
        (Some(rows), _, true) if rows >= 1.0 => {
            format!("{} rolled back, its client disconnected", words::plural(rows as i64, "written row"))
        }
        (_, Some(true), true) => "its writes are rolled back, its client disconnected".to_owned(),
        (_, None, true) => "its transaction is rolled back, its client disconnected".to_owned(),
        (_, _, true) => "it wrote nothing yet; its client is disconnected".to_owned(),
        _ => "its client is disconnected".to_owned(),
    }
}

/// Price of cancelling a statement, given how many wait for others still.
pub(crate) fn cancel_costs(still: u32) -> String {
    match still {
        0 => "one request fails".to_owned(),
        n => format!("one request fails, {} {} still", words::count(n), if n == 1 { "waits" } else { "wait" }),
    }
}

fn end(kind: &str, verb: &str, s: &SessionFacts, frees: u32, costs: String) -> BlockingAction {
    BlockingAction {
        kind: Some(kind.to_owned()),
        object: s.object.to_string(),
        pid: s.pid,
        label: format!("{verb} {}", s.pid),
        frees: Some(frees),
        costs,
        possible: true,
        statement: None,
    }
}

/// Ending a session; how many that frees is not known where its locks may outlive it, or others share them.
fn terminate(facts: &ActivityFacts, s: &SessionFacts, frees: u32) -> BlockingAction {
    let costs = terminate_costs(s);
    let waiting: Vec<i64> = facts.waits.iter().filter(|w| w.holders.contains(&s.pid)).map(|w| w.pid).collect();
    if frees == 0 || doubt(facts, s.pid, &waiting).is_none() {
        return end(TERMINATE, "Terminate", s, frees, costs);
    }
    let costs = format!("{costs}; frees up to {}", words::count(frees));
    BlockingAction { frees: None, ..end(TERMINATE, "Terminate", s, frees, costs) }
}

/// Cancelling a statement; how many that frees is not known where its session may keep locks.
fn cancel(s: &SessionFacts, frees: u32, still: u32) -> BlockingAction {
    let costs = cancel_costs(still);
    if frees == 0 || !keeps_locks(s) {
        return end(CANCEL, "Cancel", s, frees, costs);
    }
    let costs = format!("{costs}; frees up to {}: its transaction may keep its locks", words::count(frees));
    BlockingAction { frees: None, ..end(CANCEL, "Cancel", s, frees, costs) }
}

fn prepared(facts: &ActivityFacts, row: &Row) -> BlockingAction {
    let known = facts.prepared_at(row.key);
    // Of several XA transactions the server does not tell which one holds a lock.
    let xa = facts.xa.first().filter(|_| facts.xa.len() == 1).cloned();
    let statement = known.map(|p| rollback(&p.gid)).or(xa);
    let name = known.map_or_else(|| "the prepared one".to_owned(), |p| p.gid.to_string());
    BlockingAction {
        kind: None,
        object: known.map(|p| p.gid.to_string()).unwrap_or_default(),
        pid: 0,
        label: format!("Roll back {name}"),
        frees: None,
        costs: "prepared, without a session: only its owner or a superuser ends it".to_owned(),
        possible: false,
        statement,
    }
}

/// Why a process of the server is not ended.
fn server_own(kind: &str) -> &'static str {
    match kind {
        "startup" => "it replays what the primary did: it goes on when the transaction there ends",
        _ => "it is no client's session",
    }
}

/// A session that cannot be ended here, with the reason.
fn closed(row: &Row, why: &str) -> BlockingAction {
    BlockingAction {
        kind: None,
        object: String::new(),
        pid: row.key,
        label: format!("Terminate {}", row.key),
        frees: None,
        costs: why.to_owned(),
        possible: false,
        statement: None,
    }
}

/// The ways out, those that free the most first: ending a root, cancelling what it runs, and cancelling the one below it
/// that holds up the most others.
pub(crate) fn actions(facts: &ActivityFacts, rows: &[Row]) -> Vec<BlockingAction> {
    let waiting = u32::try_from(facts.waits.len()).unwrap_or(u32::MAX);
    let mut out: Vec<BlockingAction> = Vec::new();
    for (at, root) in rows.iter().enumerate().filter(|(_, r)| r.depth == 0).take(ROOTS) {
        if root.key <= 0 {
            out.push(prepared(facts, root));
            continue;
        }
        let Some(session) = facts.session(root.key) else {
            let other = facts.others.iter().find(|(pid, _)| *pid == root.key);
            out.push(closed(root, other.map_or("hidden from this user", |(_, kind)| server_own(kind))));
            continue;
        };
        out.push(terminate(facts, session, root.frees));
        if session.ended {
            let none = end(CANCEL, "Cancel", session, 0, "idle: no statement to cancel".to_owned());
            out.push(BlockingAction { frees: None, possible: false, ..none });
        } else if !session.untracked() {
            let still = waiting.saturating_sub(root.frees);
            out.push(cancel(session, root.frees, still));
        }
        let below = rows.iter().skip(at + 1).take_while(|r| r.depth > 0);
        if let Some(row) = below.filter(|r| r.frees > 0 && !r.again).max_by_key(|r| r.frees)
            && let Some(session) = facts.session(row.key)
        {
            // The cancelled one itself waits no more either.
            let still = waiting.saturating_sub(row.frees + 1);
            out.push(cancel(session, row.frees, still));
        }
    }
    // What cannot be done stays listed, after what can.
    out.sort_by_key(|a| (!a.possible, std::cmp::Reverse(a.frees)));
    out
}

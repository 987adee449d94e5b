//! What of the sessions is wrong at this moment: who holds up others, and transactions that are open for too long.
use perfdeck_model::{Finding, FindingAction, FindingTarget, Proof};
use perfdeck_words as words;

use super::facts::{ActivityFacts, SessionFacts};
use super::tree::{self, Row};
use crate::reading::finding;

/// Sessions of one kind that are told, the longest.
const TOLD: usize = 5;

/// A time for each kind of state, in seconds: the longest, as the cheap reading of every second has it, or the shortest that is a
/// finding.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Long {
    /// Wait for a lock.
    pub blocked_s: f64,
    /// Idle within a transaction.
    pub idle_s: f64,
    /// Transaction.
    pub transaction_s: f64,
}

impl Long {
    /// From when on it is a finding. A session that has waited for a minute will hardly get its lock by itself, one that is idle
    /// within a transaction for a minute has most likely been forgotten, and a transaction that is open for five minutes keeps
    /// others from cleaning up behind it.
    pub const USUAL: Self = Self { blocked_s: 60.0, idle_s: 60.0, transaction_s: 300.0 };

    /// Whether any of it is worth a look at the sessions themselves.
    pub(crate) fn reaches(self, limits: Self) -> bool {
        self.blocked_s >= limits.blocked_s || self.idle_s >= limits.idle_s || self.transaction_s >= limits.transaction_s
    }
}

/// Who it is: `clinic-api (51877)`.
fn who(name: Option<String>, pid: i64) -> String {
    name.map_or_else(|| format!("session {pid}"), |name| format!("{name} ({pid})"))
}

fn found(kind: &str, of: &str, title: String, evidence: String, label: &str, pid: i64) -> Finding {
    let action = FindingAction { label: label.to_owned(), opens: FindingTarget::Session { pid } };
    Finding { action, ..finding(kind, of, title, evidence, 1.0, label) }
}

/// Who holds up others, one finding for each root with a wait that is too long.
fn blocked(facts: &ActivityFacts, limit_s: f64) -> Vec<Finding> {
    let waiters = facts.waiters();
    if waiters.is_empty() {
        return Vec::new();
    }
    let tree = tree::tree(&waiters);
    let long = |r: &&Row| r.depth == 0 && r.longest_s.is_some_and(|s| s >= limit_s);
    tree.rows.iter().filter(long).take(TOLD).map(|root| holder(facts, root, limit_s)).collect()
}

/// Who holds up others.
fn holder(facts: &ActivityFacts, root: &Row, limit_s: f64) -> Finding {
    let (session, prepared) = (facts.session(root.key), facts.prepared_at(root.key));
    let name =
        if root.key > 0 { who(facts.name_of(root.key), root.key) } else { facts.name_of(root.key).unwrap_or_default() };
    let state = match session {
        Some(s) => format!("it is {}; the longest waits", s.state),
        None if root.key <= 0 => "it is a prepared transaction; the longest waits".to_owned(),
        None => "it is no client's session; the longest waits".to_owned(),
    };
    let opens = if root.key > 0 { FindingTarget::Session { pid: root.key } } else { FindingTarget::Database };
    let advice = "End its transaction: what is idle keeps its locks. Cancelling its statement, or ending its session, frees \
                  those that wait; the list of sessions says what that costs";
    let mut proof = Proof::new(format!("a session waits for a lock for {limit_s:.0} s or more"), advice)
        .value("waiting sessions", words::count(root.holds_up))
        .value("held up by", name.clone())
        .step("Show the sessions", opens.clone());
    proof.since_ms = root.longest_s.map(|s| ((facts.at_ms / 1e3 - s) / 5.0).round() * 5e3);
    if let Some(p) = prepared {
        proof = proof.statement("Ends it without its changes", super::facts::rollback(&p.gid));
    }
    let verb = if root.holds_up == 1 { "waits" } else { "wait" };
    let title = format!("{} {verb} for `{name}`", words::plural(root.holds_up, "session"));
    let of = format!("{}:{}", root.key, session.map_or("", |s| &*s.object));
    // Those that hold up the most come first.
    let cost = f64::from(root.holds_up) / (f64::from(root.holds_up) + 1.0);
    let action = FindingAction { label: "Review sessions".to_owned(), opens };
    Finding { action, ..finding("session_blocked", &of, title, state, cost, "") }.because(proof)
}

fn open(facts: &ActivityFacts, s: &SessionFacts, idle: bool, limits: Long) -> Finding {
    let name = who(s.name(), s.pid);
    let since = if idle { s.state_ms } else { s.transaction_ms };
    let (kind, limit, title) = if idle {
        ("idle_in_transaction", limits.idle_s, format!("`{name}` is idle in transaction"))
    } else {
        ("long_transaction", limits.transaction_s, format!("`{name}` has a transaction open"))
    };
    let rule = if idle {
        format!("a session is idle within a transaction for {limit:.0} s or more")
    } else {
        format!("a transaction is open for {:.0} min or more", limit / 60.0)
    };
    let evidence = match (s.wrote, idle) {
        (Some(true), _) => "it has written, and holds its locks",
        (_, true) => "it keeps what it read from being cleaned up",
        _ => "what others delete cannot be cleaned up",
    };
    let advice = if idle {
        "End the transaction in the client as soon as its work is done; idle_in_transaction_session_timeout (PostgreSQL) or \
         idle_transaction_timeout (MariaDB) ends what is forgotten"
    } else {
        "Split the work into shorter transactions, or run it where nobody else writes"
    };
    let mut proof = Proof::new(rule, advice)
        .value("session", name.clone())
        .value("state", s.state.to_string())
        .step("Show the session", FindingTarget::Session { pid: s.pid });
    // On our own clock, to the second: it does not move while the state lasts.
    proof.since_ms = facts.since(since).map(|s| ((facts.at_ms / 1e3 - s) / 5.0).round() * 5e3);
    found(kind, &s.object, title, evidence.to_owned(), "Review session", s.pid).because(proof)
}

/// What is wrong with the sessions now, from these times on.
pub(crate) fn findings(facts: &ActivityFacts, limits: Long) -> Vec<Finding> {
    let over = |ms: Option<f64>, limit: f64| facts.since(ms).is_some_and(|s| s >= limit);
    let in_transaction = |s: &&std::sync::Arc<SessionFacts>| s.transaction_ms.is_some();
    let idle: Vec<_> = facts
        .sessions
        .iter()
        .filter(in_transaction)
        .filter(|s| s.idles() && over(s.state_ms, limits.idle_s))
        .take(TOLD)
        .map(|s| (s.pid, open(facts, s, true, limits)))
        .collect();
    let long = facts
        .sessions
        .iter()
        .filter(in_transaction)
        .filter(|s| over(s.transaction_ms, limits.transaction_s) && !idle.iter().any(|(pid, _)| *pid == s.pid))
        .take(TOLD)
        .map(|s| open(facts, s, false, limits));
    let long: Vec<Finding> = long.collect();
    blocked(facts, limits.blocked_s).into_iter().chain(idle.into_iter().map(|(_, f)| f)).chain(long).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::facts::Wait;
    use super::*;

    /// A session whose state and transaction have lasted for so many seconds.
    fn session(pid: i64, name: &str, state: &str, state_s: f64, transaction_s: Option<f64>) -> Arc<SessionFacts> {
        let idle = state.starts_with("idle");
        Arc::new(SessionFacts {
            pid,
            object: format!("{pid}@1").into(),
            application: Some(name.into()),
            state: state.into(),
            wait_class: if idle { perfdeck_model::WaitClass::Idle } else { perfdeck_model::WaitClass::Cpu },
            state_ms: Some(1e6 - state_s * 1e3),
            transaction_ms: transaction_s.map(|s| 1e6 - s * 1e3),
            wrote: transaction_s.map(|_| true),
            ended: idle,
            ..SessionFacts::default()
        })
    }

    fn facts(sessions: Vec<Arc<SessionFacts>>, waits: Vec<Wait>) -> ActivityFacts {
        ActivityFacts { at_ms: 5e6, server_ms: 1e6, sessions, waits, ..ActivityFacts::default() }
    }

    #[test]
    fn what_is_short_is_no_finding() {
        let wait = Wait { pid: 2, holders: vec![1], since_ms: Some(1e6 - 59_000.0), ..Wait::default() };
        let all = facts(
            vec![
                session(1, "a", "idle in transaction", 59.0, Some(59.0)),
                session(2, "b", "active", 59.0, Some(299.0)),
            ],
            vec![wait],
        );
        assert!(findings(&all, Long::USUAL).is_empty());
        assert!(
            findings(&facts(vec![session(3, "c", "idle", 9_000.0, None)], Vec::new()), Long::USUAL).is_empty(),
            "idle is no fault"
        );
        assert!(!Long { blocked_s: 59.0, idle_s: 59.0, transaction_s: 299.0 }.reaches(Long::USUAL));
    }

    #[test]
    fn who_holds_up_others_is_named_with_how_many_and_since_when() {
        let wait = |pid, s: f64| Wait { pid, holders: vec![1], since_ms: Some(1e6 - s * 1e3), ..Wait::default() };
        let sessions = vec![
            session(1, "reconcile", "idle in transaction", 158.0, Some(258.0)),
            session(2, "api", "active", 111.0, None),
            session(3, "api", "active", 30.0, None),
        ];
        let found = findings(&facts(sessions, vec![wait(2, 111.0), wait(3, 30.0)]), Long::USUAL);
        let kinds: Vec<&str> = found.iter().map(|f| f.kind.as_str()).collect();
        assert_eq!(kinds, ["session_blocked", "idle_in_transaction"], "the holder is told as both");
        assert_eq!(found[0].title, "2 sessions wait for `reconcile (1)`");
        assert_eq!(found[0].action.opens, FindingTarget::Session { pid: 1 }, "its button leads to the holder");
        assert_eq!(found[0].proof.since_ms, Some(4_890_000.0), "since the longest wait began, on our clock");
        assert!(found.iter().all(|f| f.is_of_state() && !f.proof.rule.is_empty()), "{found:?}");
        assert_eq!(found[1].proof.since_ms, Some(4_840_000.0), "idle since");
    }

    #[test]
    fn a_transaction_that_is_open_for_long_is_one_whatever_it_does() {
        let found = findings(&facts(vec![session(9, "report", "active", 400.0, Some(400.0))], Vec::new()), Long::USUAL);
        assert_eq!((found.len(), found[0].kind.as_str()), (1, "long_transaction"));
        assert!(found[0].proof.rule.contains("5 min"), "{:?}", found[0].proof);
    }
}

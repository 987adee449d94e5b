//! Why ending a session may free fewer than those who wait for it alone: locks that outlive it, and holders that the server does
//! not name. Pure.
use super::facts::ActivityFacts;

/// PostgreSQL names one at a time of those who share a row.
const SHARED: &str = "Fewer may go on: several sessions may share the row (FOR SHARE, foreign keys), and PostgreSQL names one of \
                      them at a time";
/// MySQL and MariaDB tell neither whose a prepared XA transaction is, nor that a session has one.
const PREPARED: &str =
    "Fewer may go on: the session may have prepared an XA transaction, which keeps its locks when the session ends";

/// Why not all of those who wait for this session alone may go on when it ends.
pub(crate) fn doubt(facts: &ActivityFacts, pid: i64, freed: &[i64]) -> Option<&'static str> {
    if freed.is_empty() {
        return None;
    }
    let shared = facts.waits.iter().any(|w| w.shared && freed.contains(&w.pid) && w.holders.contains(&pid));
    if shared {
        return Some(SHARED);
    }
    // One that was prepared takes no statement but its end: the session is idle within a transaction.
    let idle = facts.session(pid).is_some_and(|s| s.idles() && s.transaction_ms.is_some());
    (idle && !facts.xa.is_empty()).then_some(PREPARED)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use perfdeck_model::WaitClass;

    use super::super::facts::{SessionFacts, Wait};
    use super::*;

    #[test]
    fn what_outlives_a_session_or_is_not_named_leaves_a_doubt() {
        let holder =
            SessionFacts { pid: 1, wait_class: WaitClass::Idle, transaction_ms: Some(1.0), ..SessionFacts::default() };
        let wait = |shared| Wait { pid: 2, holders: vec![1], shared, ..Wait::default() };
        let facts = |shared, xa: &[&str]| ActivityFacts {
            sessions: vec![Arc::new(holder.clone())],
            waits: vec![wait(shared)],
            xa: xa.iter().map(|x| (*x).to_owned()).collect(),
            ..ActivityFacts::default()
        };
        assert_eq!(doubt(&facts(false, &[]), 1, &[2]), None);
        assert_eq!(doubt(&facts(true, &[]), 1, &[2]), Some(SHARED));
        assert_eq!(doubt(&facts(false, &["XA ROLLBACK 'gx'"]), 1, &[2]), Some(PREPARED));
        assert_eq!(doubt(&facts(true, &[]), 1, &[]), None, "nobody is said to go on");
        let mut busy = facts(false, &["XA ROLLBACK 'gx'"]);
        busy.sessions = vec![Arc::new(SessionFacts { wait_class: WaitClass::Cpu, ..holder })];
        assert_eq!(doubt(&busy, 1, &[2]), None, "who runs a statement has prepared nothing");
    }
}

//! Sentences of changes: whom one waits for, and whom it keeps waiting.
use perfdeck_model::{BuildLock, WaitedFor, WaitsFor};

use crate::{Brackets, count, plural, seconds, visible};

/// Whom a change would wait for, a sentence each; empty where nobody is known to hold it up.
pub fn waits(waits: &WaitsFor) -> Vec<String> {
    match waits {
        WaitsFor::Sessions { sessions, left_out } => {
            let more = (*left_out > 0).then(|| format!("It would wait for {}", plural(*left_out, "more session")));
            sessions.iter().map(waited_for).chain(more).collect()
        }
        WaitsFor::Open { transactions: 0, .. } => Vec::new(),
        WaitsFor::Open { transactions, oldest_s } => {
            let are = if *transactions == 1 { "transaction is" } else { "transactions are" };
            let oldest = oldest_s.map(|s| format!(", the oldest for {}", seconds(s))).unwrap_or_default();
            vec![format!("{} {are} open now{oldest}; it waits for those that use the table", count(*transactions))]
        }
        WaitsFor::Hidden => vec!["How many transactions it would wait for is hidden from this user".to_owned()],
    }
}

fn waited_for(session: &WaitedFor) -> String {
    let name = visible(&session.name, Brackets::Ascii);
    let (state, age) = (&session.state, seconds(session.age_s));
    format!("It would wait for session {} ({name}, {state}), whose transaction is open for {age}", session.pid)
}

/// Whom the build of an index keeps waiting.
pub fn build_lock(lock: BuildLock) -> &'static str {
    match lock {
        BuildLock::ShareUpdateExclusive => {
            "SELECT, INSERT, UPDATE and DELETE go on; VACUUM, ANALYZE, ALTER and other builds of the table wait (SHARE UPDATE EXCLUSIVE)"
        }
        BuildLock::InPlace => {
            "SELECT, INSERT, UPDATE and DELETE go on; ALTER of the table waits, and everybody for a moment at both ends"
        }
        BuildLock::Writers => "SELECT goes on; whoever writes to the file waits for as long as it is built",
    }
}

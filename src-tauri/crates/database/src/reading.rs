//! What the readers of all databases hand to the collector.
use std::collections::BTreeMap;

use perfdeck_model::{Address, ApiError, Finding, FindingAction, FindingTarget, Proof, SeriesInfo, TargetRole, Unit};
use perfdeck_words as words;

use crate::activity::Long;
use crate::hints::grant;

/// Two readings whose answers took times that differ by more than this, in milliseconds, have no rates: when within its
/// answer a server read its counters is not known, and an eighth of a second is an eighth of a rate.
const UNSURE_MS: f64 = 250.0;

/// When counters were read, on the monotonic clock in milliseconds: at some moment between asking and the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Moment {
    pub(crate) asked_ms: f64,
    pub(crate) answered_ms: f64,
}

impl Moment {
    /// Seconds from `before` to here; `None` when that is not known well enough for a rate.
    pub(crate) fn since(self, before: Self) -> Option<f64> {
        let (took, earlier) = (self.answered_ms - self.asked_ms, before.answered_ms - before.asked_ms);
        let seconds = (self.asked_ms + self.answered_ms - before.asked_ms - before.answered_ms) / 2e3;
        (seconds > 0.0 && (took - earlier).abs() <= UNSURE_MS).then_some(seconds)
    }
}

/// Counters of one moment; rates are differences.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    /// Set by the collector.
    pub(crate) at: Moment,
    /// Identifies the counters' origin: it changes when they were reset or the server restarted.
    pub(crate) epoch: f64,
    pub(crate) transactions: f64,
    pub(crate) hits: f64,
    pub(crate) reads: f64,
}

/// What one reading found.
#[derive(Default)]
pub(crate) struct Reading {
    pub(crate) counters: Option<Counters>,
    pub(crate) values: Vec<(SeriesInfo, f64)>,
    pub(crate) limits: BTreeMap<String, f64>,
    pub(crate) warning: Option<ApiError>,
    /// The longest waits and transactions: whether the sessions themselves are worth a look.
    pub(crate) long: Long,
    /// Applications of this database with their sessions, those with the most first; `None` where they are not told.
    pub(crate) applications: Option<Vec<Application>>,
    /// What is broken at this moment.
    pub(crate) broken: Vec<Finding>,
    pub(crate) detail: Option<String>,
    /// Transactions that this reading itself adds to the counters.
    pub(crate) own: f64,
    /// Statements that it sent.
    pub(crate) requests: u32,
}

/// An application by its name, with its sessions in use and idle ones.
pub(crate) type Application = (String, u32, u32);

/// What the slow checks found.
#[derive(Default)]
pub(crate) struct Slow {
    pub(crate) size: Option<f64>,
    /// `None` where they were not looked for.
    pub(crate) findings: Option<Vec<Finding>>,
    /// What is broken until the next look.
    pub(crate) broken: Vec<Finding>,
    /// Transactions that they add to the counters, in case the server tells them late.
    pub(crate) own: f64,
    /// Statements that were sent.
    pub(crate) requests: u32,
}

pub(crate) fn series(metric: &str, attributes: &[(&str, &str)], unit: Unit) -> SeriesInfo {
    SeriesInfo::new(metric, attributes, unit, TargetRole::Database)
}

pub(crate) fn connections(state: &str) -> SeriesInfo {
    series("database.connections", &[("state", state)], Unit::Count)
}

/// The age of the oldest transaction, in seconds; a clock that a server reads twice may be a little behind itself.
pub(crate) fn oldest_transaction(seconds: f64) -> (SeriesInfo, f64) {
    (series("database.transaction.oldest", &[], Unit::Seconds), seconds.max(0.0))
}

/// A finding about an object of the database.
pub(crate) fn finding(kind: &str, object: &str, title: String, evidence: String, cost: f64, label: &str) -> Finding {
    Finding {
        id: format!("{kind}:{object}"),
        kind: kind.to_owned(),
        target: TargetRole::Database,
        title,
        evidence,
        cost,
        action: FindingAction { label: label.to_owned(), opens: FindingTarget::Database },
        proof: Proof::default(),
    }
}

/// The finding that this user does not see what others do: what is not seen is not shown as nothing. `sessions` is how many
/// hide it, where that is known.
pub(crate) fn hidden(sessions: Option<i64>, address: &Address) -> Finding {
    let title = match sessions {
        Some(1) => "1 session hides its statement".to_owned(),
        Some(n) => format!("{} sessions hide their statement", words::count(n)),
        None => "Other users' sessions are hidden".to_owned(),
    };
    let user = address.username.clone().unwrap_or_else(|| "this user".to_owned());
    let evidence = format!("`{user}` may not see them, so sessions and waits are not shown");
    let proof = Proof::new(
        "a session of another user tells this one neither its state nor its statement",
        "Grant the role that monitoring needs, as a user who may. It reads statistics only, and counts from the next second on",
    )
    .value("hidden sessions", sessions.map_or_else(|| "not told".to_owned(), words::count))
    .value("user", user)
    .statement("Lets this user see them", grant(address))
    .step("Test the connection", FindingTarget::Environment);
    finding("sessions_hidden", "sessions", title, evidence, 1.0, "Review grant").because(proof)
}

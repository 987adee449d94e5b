//! Health of a database or a cache: checks with value, threshold, reason and fix.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Unit;

/// Outcome of a check. The order is that of concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// Not known: the server cannot tell, or not to this user.
    Unknown,
    /// Needs attention.
    Warning,
    /// Needs attention now.
    Failing,
}

/// What a check compares with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CheckThreshold {
    /// Value above which it is a warning, in the check's unit; `null` when there is none.
    pub warning: Option<f64>,
    /// Value above which it fails, in the check's unit; `null` when there is none.
    pub failing: Option<f64>,
    /// Where the threshold comes from.
    pub source: String,
}

/// What mends a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CheckFix {
    /// What it does, such as "Removes the slot".
    pub what: String,
    /// Exact statement or setting, to be copied; `null` where there is none.
    pub statement: Option<String>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct HealthCheck {
    /// Stable name, such as `connections`. One check may be of several things: then the thing follows after a colon, as in
    /// `slot:analytics`.
    pub id: String,
    /// Title for a person.
    pub title: String,
    /// Outcome.
    pub state: CheckState,
    /// Value that was measured; `null` when there is none or it is not known.
    pub value: Option<f64>,
    /// Unit of the value and of the threshold; `null` where there is none.
    pub unit: Option<Unit>,
    /// Threshold; `null` where the check is of a state.
    pub threshold: Option<CheckThreshold>,
    /// Why it has this outcome, with its figures.
    pub reason: String,
    /// What mends it; `null` when nothing is to be mended.
    pub fix: Option<CheckFix>,
    /// Statement that lets this user see what the check needs; `null` when nothing is refused.
    pub grant: Option<String>,
    /// Whether the check could not be made although it can be made of such a server: a privilege is missing, or no answer
    /// came. What a server of this kind never tells is unknown and not missed.
    pub missed: bool,
}

/// Health of a target at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct TargetHealth {
    /// Time in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Product and version; `null` when it was not reached.
    pub version: Option<String>,
    /// Worst outcome of all checks that are known; unknown when one was missed and nothing is worse.
    pub state: CheckState,
    /// Checks: failing first, then warnings, unknown, and what is fine, each in a fixed order.
    pub checks: Vec<HealthCheck>,
    /// Time that all took, in seconds; at most 5.
    pub took_s: f64,
}

impl TargetHealth {
    /// Puts the checks into their order and sums them up.
    pub fn of(at_ms: f64, version: Option<String>, mut checks: Vec<HealthCheck>, took_s: f64) -> Self {
        // Stable, so that checks of one outcome stay in the order in which they were made.
        checks.sort_by_key(|check| std::cmp::Reverse(check.state));
        let known = checks.iter().filter(|check| check.state != CheckState::Unknown || check.missed);
        let state = known.map(|check| check.state).max().unwrap_or(CheckState::Unknown);
        Self { at_ms, version, state, checks, took_s }
    }

    /// Whether a check could not be made that can be made of such a server.
    pub fn is_incomplete(&self) -> bool {
        self.checks.iter().any(|check| check.missed)
    }
}

//! Why no size is recommended.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Kind of reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The sweep did not come to its end.
    Unfinished,
    /// Fewer sizes than a law needs could be measured.
    TooFewSizes,
    /// No size that was measured keeps the objective.
    Objective,
    /// Repetitions differ more than the sizes.
    Scatter,
    /// No law describes the cells.
    LackOfFit,
    /// Throughput still grows at the largest size.
    StillGrows,
    /// The cells would choose sizes too far apart.
    Uncertain,
    /// The database has fewer connections free than there are instances.
    HeadRoom,
}

/// Why no size is recommended, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Refusal {
    /// Kind of reason.
    pub kind: RefusalKind,
    /// The reason, in a clause.
    pub reason: String,
    /// What to do, in a sentence without its full stop.
    pub hint: String,
}

impl Refusal {
    pub(super) fn new(kind: RefusalKind, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), hint: hint.into() }
    }
}

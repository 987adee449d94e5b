//! Statistics of statements that a server does not keep.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Why a server's statistics of statements cannot be read, and what changes that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StatementsUnavailable {
    /// What is missing, in a sentence without its full stop.
    pub reason: String,
    /// Who does what to change it, and when it takes effect.
    pub hint: Option<String>,
    /// The exact statement or setting, to be copied.
    pub fix: Option<String>,
}

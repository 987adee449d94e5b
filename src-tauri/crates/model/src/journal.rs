//! The journal: what was done to environments and their targets, and load that was sent, asked for or refused.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::PartOf;

/// Subject of an entry of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JournalKind {
    /// Load began.
    LoadStarted,
    /// Load ended.
    LoadEnded,
    /// A guard refused load.
    LoadRefused,
    /// An environment took changes for a time.
    Unlocked,
    /// An environment refuses changes again.
    Locked,
    /// An environment was made.
    Created,
    /// An environment was edited.
    Changed,
    /// An environment was deleted.
    Deleted,
    /// A deleted environment came back.
    Restored,
    /// A change of a target came to another state.
    TargetChange,
    /// A guard refused a change of a target.
    TargetChangeRefused,
}

/// One entry of the journal. Entries are never edited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct JournalEntry {
    /// Time of the entry, in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Subject of the entry.
    pub kind: JournalKind,
    /// Identifier of the environment.
    pub environment_id: Option<String>,
    /// Name of the environment at that time.
    pub environment: Option<String>,
    /// Event in words; never a secret.
    pub text: String,
    /// Identifier of the benchmark run it belongs to.
    pub run_id: Option<String>,
    /// The comparison or search that this run is a part of.
    #[serde(default)]
    pub part_of: Option<PartOf>,
}

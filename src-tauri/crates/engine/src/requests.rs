//! Requests and answers that several commands share.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Takes no parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
pub struct Empty {}

/// Names one thing.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ById {
    /// Identifier of the thing. Environments may be named by their name.
    pub id: String,
}

/// Names an environment.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ByEnvironment {
    /// Identifier or name.
    pub environment_id: String,
}

/// Some text.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct Text {
    /// The text.
    pub text: String,
}

/// Deletion that can be undone for a time.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct Deleted {
    /// Identifier of what was deleted, for the matching restore command.
    pub id: String,
    /// Time after which it is gone, in milliseconds since the Unix epoch.
    pub undo_until_ms: f64,
}

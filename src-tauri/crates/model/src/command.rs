//! Facts about a command.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How much a command may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Reads only.
    Read,
    /// Changes Perfdeck's own data.
    Write,
    /// Sends load or changes to a target.
    Target,
}

/// A group of stored data; a command that changes one names it, a viewer that shows one re-reads it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// Environments and their targets.
    Environments,
    /// Stored benchmark runs.
    Runs,
    /// Written reports.
    Reports,
    /// Jobs.
    Jobs,
    /// Findings.
    Findings,
    /// Changes of targets, and what the targets say about them.
    Changes,
    /// The set of series of the watched environment.
    Series,
}

/// One command of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct CommandInfo {
    /// Dotted name, such as `env.list`.
    pub name: &'static str,
    /// How much it may do.
    pub access: Access,
    /// What it changes.
    pub changes: &'static [Tag],
    /// Whether the answer is binary columns instead of JSON.
    pub binary: bool,
}

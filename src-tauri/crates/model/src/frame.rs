//! What flows to a viewer: a snapshot, then deltas.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ApiError, BenchLive, JobStatus, Tag, TargetRole};

/// Whether a target answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// Not tried yet.
    Unknown,
    /// Answers.
    Up,
    /// Did not answer the last collection; its panels are dimmed.
    Down,
    /// Configured, but nothing is collected from it.
    Idle,
}

/// The state of one target as shown in the status line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct TargetStatus {
    /// Which target.
    pub role: TargetRole,
    /// Its address without credentials.
    pub address: String,
    /// Whether it answers.
    pub state: TargetState,
    /// Product and version, once known.
    pub version: Option<String>,
    /// Further facts for the band, such as "4 vCPU, 15.6 GiB" or the database's name.
    pub detail: Option<String>,
    /// Round trip of the last collection, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Time of the last sample.
    pub last_sample_ms: Option<f64>,
    /// When the next attempt is made, while down.
    pub next_try_ms: Option<f64>,
    /// Why it is down, or what is missing for full figures.
    pub error: Option<ApiError>,
    /// Limits drawn as references, such as `{"max_connections": 100}`; units as the series they belong to.
    pub limits: BTreeMap<String, f64>,
    /// Statements, commands or requests that Perfdeck's last collection sent; they are in none of its figures.
    pub own_requests: Option<u32>,
}

/// What Perfdeck itself costs; always shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct OwnCost {
    /// CPU of the whole process tree as a fraction of one core.
    pub cpu: f64,
    /// Memory of the whole process tree, in bytes (PSS where the system tells it, else RSS).
    pub memory_bytes: f64,
    /// Frames that were not delivered because a viewer was slow.
    pub dropped_frames: u64,
    /// Size of the local store, in bytes.
    pub store_bytes: f64,
}

/// Whether a frame stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// Complete state; replaces what the viewer had.
    Snapshot,
    /// Only what changed since the previous frame.
    Delta,
}

/// One message of the event stream. Absent parts did not change. At most ten a second; [`crate::WireFrame`] is how it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Frame {
    /// Counts up by one; a jump means dropped frames.
    pub seq: u64,
    /// Whether it stands alone.
    pub kind: FrameKind,
    /// The environment it is about, if one is watched.
    pub environment_id: Option<String>,
    /// Time it was made.
    pub at_ms: f64,
    /// Sample times, ascending, each a whole second.
    pub t: Vec<f64>,
    /// Values by series id, each as long as `t`; `null` is a gap.
    pub series: BTreeMap<String, Vec<Option<f64>>>,
    /// Target states, when one changed.
    pub targets: Option<Vec<TargetStatus>>,
    /// All jobs, when one changed.
    pub jobs: Option<Vec<JobStatus>>,
    /// The running benchmark's figures, when there are new ones.
    pub bench: Option<BenchLive>,
    /// Perfdeck's own cost.
    pub own: Option<OwnCost>,
    /// What stored data changed, so that a viewer re-reads it. In a snapshot everything: what came before is not known.
    pub changed: Vec<Tag>,
}

//! Jobs: any work longer than half a second.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ApiError;

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// At work.
    Running,
    /// Ended well; `result` has what it made.
    Done,
    /// Ended with `error`.
    Failed,
    /// Ended because it was asked to.
    Cancelled,
}

/// Result of a job, by its identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum JobResult {
    /// An environment that is open now.
    Environment(String),
    /// A benchmark's run.
    Run(String),
    /// A comparison.
    Comparison(String),
    /// A search for the knee.
    Knee(String),
    /// What one request costs.
    Cost(String),
    /// A sizing of a pool.
    PoolSizing(String),
    /// A written report.
    Report(String),
    /// A measured bloat, by the name of its index.
    Bloat(String),
    /// A change that was applied, undone or proven.
    Change(String),
    /// Advice on indexes.
    Advice(String),
    /// A map of a cache.
    CacheMap(String),
    /// Heat of a cache's keys, by its environment.
    CacheHeat(String),
}

impl JobResult {
    /// Its identifier, whatever it is.
    pub fn id(&self) -> &str {
        match self {
            Self::Environment(id)
            | Self::Run(id)
            | Self::Comparison(id)
            | Self::Knee(id)
            | Self::Cost(id)
            | Self::PoolSizing(id)
            | Self::Report(id)
            | Self::Bloat(id)
            | Self::Change(id)
            | Self::Advice(id)
            | Self::CacheMap(id)
            | Self::CacheHeat(id) => id,
        }
    }
}

/// A job as shown in the tray.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct JobStatus {
    /// Stable identifier.
    pub id: String,
    /// Kind of work: `demo`, `bench`, `report`, …
    pub kind: String,
    /// Description of the work, for a person.
    pub title: String,
    /// Identifier of the environment it belongs to.
    pub environment_id: Option<String>,
    /// State of the job.
    pub state: JobState,
    /// Share done, 0 to 1, when it can be known.
    pub progress: Option<f64>,
    /// The step it is at.
    pub step: String,
    /// Start time.
    pub started_ms: f64,
    /// End time.
    pub finished_ms: Option<f64>,
    /// Whether Cancel does something.
    pub cancellable: bool,
    /// Reason why it failed.
    pub error: Option<ApiError>,
    /// Result of the job.
    pub result: Option<JobResult>,
}

//! A run in a list.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::latency::measured;
use super::run::{PartOf, Run, RunState, StatusCount, ThresholdCount};
use super::spec::Load;
use crate::judged::JudgedMs;

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct RunSummary {
    /// Stable identifier.
    pub id: String,
    /// Name for a person.
    pub name: String,
    /// Identifier of the environment it belongs to.
    pub environment_id: Option<String>,
    /// The comparison or search that it is a part of.
    #[serde(default)]
    pub part_of: Option<PartOf>,
    /// Method and URL.
    pub request: String,
    /// Closed loop or constant rate.
    pub load: Load,
    /// Connections.
    pub connections: u32,
    /// Outcome of the run.
    pub state: RunState,
    /// Start of the measured time.
    pub started_ms: f64,
    /// Measured time, in seconds.
    pub duration_s: f64,
    /// Responses, errors included.
    pub requests: u64,
    /// Errors among `requests`.
    pub errors: u64,
    /// Successful responses per second.
    pub rate_per_s: f64,
    /// Median response time of the successful ones, in milliseconds; `None` without any.
    #[serde(deserialize_with = "measured")]
    pub p50_ms: Option<f64>,
    /// 99th percentile, in milliseconds.
    #[serde(deserialize_with = "measured")]
    pub p99_ms: Option<f64>,
    /// Response times with the failed requests in the distribution; absent in runs of earlier versions.
    #[serde(default)]
    pub judged_ms: Option<JudgedMs>,
    /// Requests that were answered, with a success or an error; `None` where an earlier version kept the run.
    #[serde(default)]
    pub answered: Option<u64>,
    /// Answers by status, ascending; `None` where an earlier version kept the run.
    #[serde(default)]
    pub statuses: Option<Vec<StatusCount>>,
    /// How its thresholds turned out; `None` where an earlier version kept the run.
    #[serde(default)]
    pub thresholds: Option<ThresholdCount>,
    /// Whether the figures can be trusted.
    pub valid: bool,
    /// Key of its work, the same for runs of the same work; see [`Run::work`].
    #[serde(default)]
    pub work: String,
}

impl From<&Run> for RunSummary {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id.clone(),
            name: run.name.clone(),
            environment_id: run.environment_id.clone(),
            part_of: run.part_of.clone(),
            request: run.spec.request(),
            load: run.spec.load(),
            connections: run.spec.connections(),
            state: run.state,
            started_ms: run.started_ms,
            duration_s: run.duration_s,
            requests: run.requests,
            errors: run.errors,
            rate_per_s: run.rate_per_s,
            p50_ms: run.latency().p50,
            p99_ms: run.latency().p99,
            judged_ms: run.judged_ms.clone(),
            answered: Some(run.answered()),
            statuses: Some(run.statuses.clone()),
            thresholds: Some(ThresholdCount::of(&run.thresholds)),
            valid: run.valid,
            work: run.work(),
        }
    }
}

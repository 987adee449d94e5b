//! Data that flow to a viewer: a snapshot, then deltas.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ApiError, Part, TargetRole};

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
    /// Role of the target.
    pub role: TargetRole,
    /// Address of the target without credentials.
    pub address: String,
    /// Whether it answers.
    pub state: TargetState,
    /// Product and version, once known.
    pub version: Option<String>,
    /// Further facts for the band, such as "4 vCPU, 15.6 GiB" or the database's name.
    pub detail: Option<String>,
    /// Round trip of the last collection, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Time of the first sample since it is watched: from then on it is observed.
    #[serde(default)]
    pub first_sample_ms: Option<f64>,
    /// Time of the last sample. In the event stream it is as old as the part: while a target answers, its samples tell more.
    pub last_sample_ms: Option<f64>,
    /// Time of the next attempt, in milliseconds since the Unix epoch, while down.
    pub next_try_ms: Option<f64>,
    /// Reason why it is down, or what is missing for full figures.
    pub error: Option<ApiError>,
    /// Limits drawn as references, such as `{"max_connections": 100}`; units as the series they belong to.
    pub limits: BTreeMap<String, f64>,
    /// Statements, commands or requests that Perfdeck's last collection sent; they are in none of its figures.
    pub own_requests: Option<u32>,
}

impl TargetStatus {
    /// Whether a reader sees the same: all but the time of the last sample, the round trip as it is rounded on screen.
    pub fn shows_as(&self, other: &Self) -> bool {
        let shown = |status: &Self| {
            // A new field has to be decided about here.
            let Self {
                role,
                address,
                state,
                version,
                detail,
                round_trip_ms,
                first_sample_ms,
                last_sample_ms: _,
                next_try_ms,
                error,
                limits,
                own_requests,
            } = status.clone();
            let round_trip = round_trip_ms.map(rounded_round_trip);
            let when = (first_sample_ms, next_try_ms);
            (role, address, state, version, detail, round_trip, when, error, limits, own_requests)
        };
        shown(self) == shown(other)
    }
}

/// A round trip as `roundTrip` of `ui/src/kit/format.ts` rounds it.
fn rounded_round_trip(ms: f64) -> String {
    if ms >= 1000.0 {
        format!("{:.2e} s", ms / 1000.0)
    } else if ms >= 9.95 {
        format!("{ms:.0} ms")
    } else if ms >= 0.095 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.1e} us", ms * 1000.0)
    }
}

/// Cost of Perfdeck itself; always shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct OwnCost {
    /// CPU of the whole process tree as a fraction of one core.
    pub cpu: f64,
    /// Memory of the whole process tree, in bytes (PSS where the system tells it, else RSS).
    pub memory_bytes: f64,
    /// Seconds of samples that were not delivered because a viewer was slow.
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

/// One message of the event stream, as it is inside the engine. At most ten a second; [`crate::WireFrame`] is how it travels.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Sequence number, up by one each; a jump says how many seconds of samples were dropped.
    pub seq: u64,
    /// Whether it stands alone.
    pub kind: FrameKind,
    /// Identifier of the environment it is about, if one is watched.
    pub environment_id: Option<String>,
    /// Time it was made, in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Sample times, ascending, each a whole second.
    pub t: Vec<f64>,
    /// Values by series id, each as long as `t`; `None` is a gap.
    pub series: BTreeMap<String, Vec<Option<f64>>>,
    /// Other news, at most one part a topic.
    pub parts: Vec<Part>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_shown_makes_a_target_another() {
        let status = TargetStatus {
            role: TargetRole::Cache,
            address: "redis://127.0.0.1:6379".to_owned(),
            state: TargetState::Up,
            version: None,
            detail: None,
            round_trip_ms: Some(0.412),
            first_sample_ms: None,
            last_sample_ms: Some(1_000.0),
            next_try_ms: None,
            error: None,
            limits: BTreeMap::new(),
            own_requests: Some(3),
        };
        let later = TargetStatus { last_sample_ms: Some(2_000.0), round_trip_ms: Some(0.444), ..status.clone() };
        assert!(status.shows_as(&later), "a second later it still answers in 0.4 ms");
        let slower = TargetStatus { round_trip_ms: Some(0.46), ..status.clone() };
        assert!(!status.shows_as(&slower), "0.5 ms is another figure");
        let down = TargetStatus { state: TargetState::Down, ..status.clone() };
        assert!(!status.shows_as(&down), "its state is shown");
        let next = TargetStatus { next_try_ms: Some(5_000.0), ..down.clone() };
        assert!(!down.shows_as(&next), "when it is tried again is shown");
    }

    #[test]
    fn round_trips_are_told_apart_as_they_are_on_screen() {
        for (same, as_this) in [(0.000_41, 0.000_412), (0.412, 0.444), (12.4, 12.3), (1_234.0, 1_231.0)] {
            assert_eq!(rounded_round_trip(same), rounded_round_trip(as_this), "{same} and {as_this} look alike");
        }
        for (one, other) in [(0.041, 0.043), (0.41, 0.46), (12.4, 12.6), (1_234.0, 1_240.0)] {
            assert_ne!(rounded_round_trip(one), rounded_round_trip(other), "{one} and {other} do not");
        }
    }
}

//! The lanes of the window, as data: `golden/lanes.json` is what `ui/src/lanes/tiers.ts` makes.
use std::sync::OnceLock;

use perfdeck_model::TargetRole;
use serde::Deserialize;

use crate::axis::{AxisUnit, ScaleSpec};

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LaneSeries {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) colour: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Line,
    Fill,
    Stack,
    Bars,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LaneSpec {
    pub(crate) title: String,
    pub(crate) what: String,
    pub(crate) unit: AxisUnit,
    pub(crate) kind: Kind,
    pub(crate) height: f64,
    pub(crate) series: Vec<LaneSeries>,
    pub(crate) scale: ScaleSpec,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TierLanes {
    pub(crate) role: TargetRole,
    pub(crate) lanes: Vec<LaneSpec>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Window {
    pub(crate) bench: Vec<LaneSpec>,
    pub(crate) tiers: Vec<TierLanes>,
}

/// The lanes of the window. The file is a part of the build, and a test reads it.
pub(crate) fn window() -> &'static Window {
    static WINDOW: OnceLock<Window> = OnceLock::new();
    WINDOW.get_or_init(|| serde_json::from_str(include_str!("../golden/lanes.json")).unwrap_or_default())
}

/// Whether a series is drawn on top of others, so that its samples may only be averaged.
pub fn is_stacked(id: &str) -> bool {
    let mut lanes = window().tiers.iter().flat_map(|t| &t.lanes);
    lanes.any(|lane| lane.kind == Kind::Stack && lane.series.iter().any(|s| s.id == id))
}

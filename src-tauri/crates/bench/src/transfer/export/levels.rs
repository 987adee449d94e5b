//! The level of a load as straight pieces.
use serde::Serialize;

use perfdeck_plan::{Plan, PlanLoad, StageKind, Warmup};

/// A piece of the measured time with its level at both ends: iterations per second, or connections.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Piece {
    pub(super) seconds: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// The level before the first stage.
pub(super) fn start(plan: &Plan) -> f64 {
    match &plan.load {
        PlanLoad::Closed { connections, .. } => f64::from(*connections),
        PlanLoad::Open { rate_per_s, .. } => *rate_per_s,
    }
}

/// The pieces of the measured time.
pub(super) fn pieces(plan: &Plan) -> Vec<Piece> {
    let mut level = start(plan);
    if plan.stages.is_empty() {
        return vec![Piece { seconds: plan.measured().as_secs_f64(), from: level, to: level }];
    }
    let piece = |stage: &perfdeck_plan::Stage| {
        let (seconds, to) = (stage.duration.as_secs_f64(), stage.to.unwrap_or(level));
        let from = if stage.kind == StageKind::Ramp { level } else { to };
        if stage.kind != StageKind::Spike {
            level = to;
        }
        Piece { seconds, from, to }
    };
    plan.stages.iter().map(piece).collect()
}

/// Highest level.
pub(super) fn peak(pieces: &[Piece]) -> f64 {
    pieces.iter().fold(0.0, |peak, p| p.from.max(p.to).max(peak))
}

/// Whether the level ever changes.
pub(super) fn varies(pieces: &[Piece]) -> bool {
    let first = pieces.first().map_or(0.0, |p| p.from);
    pieces.iter().any(|p| p.from.to_bits() != first.to_bits() || p.to.to_bits() != first.to_bits())
}

/// The level of the warm-up: that of the start, or the first above 0.
pub(super) fn warm_level(plan: &Plan, pieces: &[Piece]) -> f64 {
    let levels = pieces.iter().flat_map(|p| [p.from, p.to]);
    std::iter::once(start(plan)).chain(levels).find(|l| *l > 0.0).unwrap_or(1.0)
}

/// Length of the warm-up in seconds.
pub(super) fn warm_seconds(plan: &Plan) -> f64 {
    match plan.warmup {
        None => 0.0,
        Some(Warmup::Fixed { duration }) => duration.as_secs_f64(),
        Some(Warmup::UntilSteady { at_most }) => at_most.as_secs_f64(),
    }
}

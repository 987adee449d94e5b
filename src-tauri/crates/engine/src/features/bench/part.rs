//! The part that a duet or a search for the knee is at, and what is known so far.
use perfdeck_stats::duet::DuetStep;
use perfdeck_stats::knee::{Knee, KneePhase};
use perfdeck_stats::{Arm, Duet, MetricComparison};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::features::bench::duet::DuetRequest;

/// Part of a benchmark of several runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BenchPart {
    /// A run of a pair.
    Duet {
        /// The pair, from 1.
        pair: u32,
        /// Most pairs.
        pairs: u32,
        /// The side that runs, or ran last.
        side: Arm,
        /// Name of A.
        label_a: String,
        /// Name of B.
        label_b: String,
        /// Between two runs.
        resting: bool,
        /// Complete pairs that the effect so far is of.
        complete: u32,
        /// The chosen metrics so far, with their intervals. No verdict: that is left to the planned looks.
        so_far: Vec<MetricComparison>,
    },
    /// A step of a search.
    Knee {
        /// The objective.
        slo: String,
        /// Connections of the step.
        connections: u32,
        /// What the step is for.
        phase: KneePhase,
        /// Measured time of the step, in seconds.
        step_s: f64,
        /// What is known so far.
        so_far: Box<Knee>,
    },
}

impl BenchPart {
    /// The run of a duet that is next, or was last while it rests.
    pub(crate) fn of_duet(request: &DuetRequest, duet: &Duet, step: DuetStep, resting: bool) -> Self {
        let complete = duet.pairs().len();
        let so_far = if complete == 0 { Vec::new() } else { duet.outcome().metrics };
        Self::Duet {
            pair: step.pair + 1,
            pairs: request.pairs,
            side: step.arm,
            label_a: request.a.label.clone(),
            label_b: request.b.label.clone(),
            resting,
            complete: u32::try_from(complete).unwrap_or(u32::MAX),
            so_far: so_far.into_iter().filter(|metric| metric.primary).collect(),
        }
    }
}

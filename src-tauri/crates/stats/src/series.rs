//! Several runs before and several after a change that cannot be toggled: unpaired, with a drift check.
use super::assess::{Input, assess};
use super::comparison::{Comparison, ComparisonKind};
use super::figures::RunFigures;
use super::registration::Registration;

/// Compares runs before (A) with runs after (B) by Welch's t on logs (docs/benchmarks.md, 7.2.4 and 7.2.6).
///
/// A drift within the sides widens the interval by what the drift alone would make of the difference, and is warned
/// about. One look only: make the plan with [`Registration::new`] and do not look before all runs are done.
pub fn before_after(
    plan: &Registration,
    before: &[RunFigures],
    after: &[RunFigures],
    differences: Vec<String>,
) -> Comparison {
    let mut result = assess(&Input {
        plan,
        kind: ComparisonKind::Unpaired,
        a: before.iter().collect(),
        b: after.iter().collect(),
        differences,
    });
    result.notes.push("before and after were not interleaved; only a duet rules out drift".to_owned());
    result
}

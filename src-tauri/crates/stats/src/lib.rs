//! Comparing benchmarks honestly: duets, before/after series, single pairs, change points, knees.
//!
//! Formulas and thresholds are those of the docs/benchmarks.md, 7; words are those of the visual guide,
//! section 8. Pure and deterministic: no clock, no I/O, every random number from a stated seed.
#![forbid(unsafe_code)]

mod assess;
pub mod autocorrelation;
pub mod change;
pub mod comparison;
mod drift;
pub mod duet;
pub mod figures;
pub mod gate;
pub mod histogram;
pub mod judged;
pub mod knee;
mod knee_report;
mod of_run;
mod outlook;
pub mod paired;
pub mod per_request;
pub mod pool_size;
pub mod proof;
pub mod registration;
pub mod resource;
mod sentence;
pub mod series;
pub mod single;
pub mod steady;
pub mod t;
pub mod usl;
pub mod verdict;

pub use comparison::{Comparison, MetricComparison};
pub use duet::Duet;
pub use figures::Arm;
pub use gate::{Fingerprint, Gate, check, known_to_both, told_by_one};
pub use of_run::{figures, runs};
pub use outlook::{Planned, tells};
pub use registration::{LoopKind, Registration};
pub use verdict::Verdict;

#[cfg(test)]
#[path = "tests/truth.rs"]
mod truth;

/// Normal numbers for tests.
#[cfg(test)]
mod normal {
    use perfdeck_model::SplitMix64;

    pub(crate) trait Normal {
        /// A standard normal number (Box-Muller).
        fn normal(&mut self) -> f64;
    }

    impl Normal for SplitMix64 {
        fn normal(&mut self) -> f64 {
            let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
            radius * (std::f64::consts::TAU * self.unit()).cos()
        }
    }
}

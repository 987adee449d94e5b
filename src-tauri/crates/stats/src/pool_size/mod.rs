//! The size of a pool: the smallest number of connections that gives a database's highest throughput within an objective.
//!
//! Cells of a sweep, each a closed loop over N connections for a while, are what is measured. A law is fitted to their
//! throughput ([`law`]), held against the scatter between repetitions ([`lack_of_fit`]), and where it holds a size is
//! recommended ([`recommend`]); otherwise it is said why not, and the cells are shown all the same. Pure.
pub mod lack_of_fit;
pub mod law;
mod per_size;
mod recommend;
mod refusal;
mod sentence;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::usl::Bounds;
use lack_of_fit::LackOfFit;
use law::Law;
pub use recommend::analyse;
pub use refusal::{Refusal, RefusalKind};

/// Numbers of connections that a sweep tries, in their order.
pub const SIZES: [u32; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
/// Share of the highest throughput that a recommended size gives at least.
pub const ENOUGH: f64 = 0.95;

/// One cell of a sweep: a closed loop over so many connections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct SizeCell {
    /// Connections, each with one caller.
    pub connections: u32,
    /// Repetition, from 1.
    pub repetition: u32,
    /// Successful executions per second.
    pub rate_per_s: f64,
    /// Executions, failed ones included.
    pub requests: u64,
    /// Failed ones among them.
    pub errors: u64,
    /// Mean time in the database, the way there included, of the successful ones, in milliseconds; `null` without any.
    pub mean_ms: Option<f64>,
    /// 95th percentile of it, in milliseconds.
    pub p95_ms: Option<f64>,
    /// 99th percentile of it, in milliseconds.
    pub p99_ms: Option<f64>,
    /// What the server's sessions waited for meanwhile, by kind, as shares of 0 to 1 of what was sampled; `CPU` is those that
    /// waited for nothing. `null` where the server does not tell.
    pub waits: Option<BTreeMap<String, f64>>,
    /// Why its figures cannot be trusted, so that no law is fitted to them; `null` where they can.
    pub set_aside: Option<String>,
}

/// What a recommendation has to keep.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SizeGoal {
    /// Limit of the 99th percentile, in milliseconds.
    pub objective_ms: Option<f64>,
    /// Instances of the application that share the database, at least 1.
    pub instances: u32,
    /// Connections that the application may have in all; `None` where the database has no limit.
    pub head_room: Option<u32>,
    /// Why sizes above the largest measured one were left out; `None` where it was the largest that was asked for.
    pub cut_by_head_room: bool,
    /// Why the sweep has not come to its end; `None` where it has.
    pub unfinished: Option<String>,
    /// Seed of the bootstrap.
    pub seed: u64,
}

/// One size of a sweep, over its repetitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct SizePoint {
    /// Connections.
    pub connections: u32,
    /// Cells that the figures are of.
    pub cells: u32,
    /// Cells that were set aside.
    pub set_aside: u32,
    /// Mean throughput, per second; `null` where all cells were set aside.
    pub rate_per_s: Option<f64>,
    /// Throughput by the fitted law, per second; `null` without one.
    pub fitted_per_s: Option<f64>,
    /// Share of the highest throughput by the law, 0 to 1; `null` without one.
    pub share: Option<f64>,
    /// Mean time in the database over the cells, in milliseconds.
    pub mean_ms: Option<f64>,
    /// Median of the cells' 95th percentiles, in milliseconds.
    pub p95_ms: Option<f64>,
    /// Median of the cells' 99th percentiles, in milliseconds.
    pub p99_ms: Option<f64>,
    /// Whether the cells together have the executions that a 99th percentile needs to be judged.
    pub p99_judged: bool,
    /// Whether the 99th percentile is within the objective; `null` without an objective or a figure.
    pub within: Option<bool>,
    /// Mean wait for a connection that this pool would give as many callers as the largest size had, in milliseconds: callers /
    /// throughput − mean (Little's law). Modelled, since a closed loop over N connections has no one waiting for them.
    pub queue_ms: Option<f64>,
    /// Executions of all its cells, and those that failed.
    pub requests: u64,
    /// Failed ones among them.
    pub errors: u64,
}

/// A point of the fitted curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CurvePoint {
    /// Connections; need not be whole.
    pub connections: f64,
    /// Throughput by the law, per second.
    pub rate_per_s: f64,
    /// Where 95 % of the redrawn laws lie; `null` where there are too few cells to redraw.
    pub band: Option<Bounds>,
}

/// A size that is recommended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Recommended {
    /// Connections of all instances together, as measured.
    pub connections: u32,
    /// The smallest and the largest measured size that 95 % of the redrawn laws would have chosen.
    pub low: u32,
    /// See `low`.
    pub high: u32,
    /// Share of the highest throughput, by the law, 0 to 1.
    pub share: f64,
    /// Connections of one instance's pool.
    pub per_instance: u32,
    /// Connections of all instances' pools together: `per_instance` of each.
    pub total: u32,
    /// Connections beyond the pool's size: always 0, because a closed loop measures no bursts, and beyond the knee more connections
    /// give no more throughput.
    pub overflow: u32,
}

/// What a sweep says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct SizeAnalysis {
    /// What was found, in a sentence.
    pub sentence: String,
    /// The size; `null` where none is recommended.
    pub recommended: Option<Recommended>,
    /// Why none is; `null` where one is.
    pub refused: Option<Refusal>,
    /// The law that describes the cells best; `null` where none could be fitted.
    pub law: Option<Law>,
    /// How well the law describes the cells; `null` without a law or without repetitions.
    pub lack_of_fit: Option<LackOfFit>,
    /// Relative standard deviation of a cell around its size's mean; around the law where nothing was repeated.
    pub scatter: Option<f64>,
    /// The sizes, in their order.
    pub sizes: Vec<SizePoint>,
    /// The law between the smallest and the largest size.
    pub curve: Vec<CurvePoint>,
    /// What is to be known beside the figures.
    pub notes: Vec<String>,
}

#[cfg(test)]
#[path = "../tests/pool_size.rs"]
mod tests;

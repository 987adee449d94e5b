//! Benchmarks: running, comparing, searching, what a request costs, the size of a pool, keeping.
pub(crate) mod alike;
pub(crate) mod claim;
pub mod commands;
pub(crate) mod comparisons;
pub(crate) mod cost;
pub(crate) mod data_load;
pub(crate) mod duet;
pub(crate) mod facts;
pub(crate) mod handover;
pub(crate) mod headroom;
pub(crate) mod hooks;
pub(crate) mod insights;
pub(crate) mod knees;
pub(crate) mod masked;
pub(crate) mod noise;
pub(crate) mod part;
pub(crate) mod plans;
pub(crate) mod pool_size;
pub(crate) mod preview;
mod resized;
pub(crate) mod running;
mod short;
mod store;
pub(crate) mod unstored;
pub(crate) mod work;

use std::sync::Mutex;

use perfdeck_model::RunSpec;

/// State that benchmarks keep while the engine runs. The locks are held for a moment, never across a wait.
#[derive(Default)]
pub(crate) struct State {
    /// Work of the benchmark that runs, or of the last one, and the part that it is at, of a duet or a search.
    pub(crate) now: Mutex<Option<(RunSpec, Option<part::BenchPart>)>>,
    /// Benchmark that runs, so that no other one is started.
    pub(crate) running: claim::Running,
    /// Runs that wait for the store.
    pub(crate) unstored: Mutex<Vec<unstored::Unstored>>,
}

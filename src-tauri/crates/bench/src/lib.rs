//! Benchmarks: the HTTP load engine, pacing, histograms and the validity of a run.
//!
//! Two load engines behind one plan: `raw` for plain HTTP/1.1 and `full` for the rest. One operating-system thread per
//! generator, each with its own poll or runtime and its own histograms, so that nothing is shared per request. Latency in an open loop counts from the intended start
//! of a request, so a stalled target shows in every request that waited for it (coordinated omission).
#![forbid(unsafe_code)]

mod account;
pub mod compare;
mod cpu;
mod full;
mod judge;
mod pacing;
pub mod plan;
mod plan_run;
mod raw;
mod record;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "a run does not start it yet"))]
mod resp;
mod run;
mod shared;
mod target;

pub use plan_run::{judge_thresholds, single_request};
pub use run::{Error, RunContext, run_http};
pub use target::{redacted, resolve, validate};

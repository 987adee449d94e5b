//! Benchmarks: the HTTP load engine, pacing, histograms and the validity of a run.
//!
//! One operating-system thread per generator, each with its own single-threaded runtime and its own histograms, so
//! that no lock, channel or allocation is shared per request. Latency in an open loop counts from the intended start
//! of a request, so a stalled target shows in every request that waited for it (coordinated omission).
#![forbid(unsafe_code)]

mod connect;
mod cpu;
mod engine;
mod judge;
mod pacing;
mod record;
mod run;
mod target;

pub use run::{Error, RunContext, run_http};
pub use target::{resolve, validate};

//! Benchmarks: plans, load engines, pacing, histograms and the validity of a run.
//!
//! Load engines behind one plan: `raw` polls its own connections, for one plain HTTP/1.1 request and, with `resp`, for
//! commands on a cache; `full` does the rest. One operating-system
//! thread per generator, each with its own poll or runtime and its own histograms, so that nothing is shared per
//! request. Latency in an open loop counts from the intended start of a request, so a stalled target shows in every
//! request that waited for it (coordinated omission).
#![forbid(unsafe_code)]

mod abort;
mod account;
mod ceiling;
mod contact;
mod cpu;
mod full;
mod http1;
mod judge;
mod limits;
mod outcome;
mod pacing;
mod plan_run;
mod quota;
mod raw;
mod record;
mod resources;
mod resp;
mod run;
mod seconds;
mod setup;
mod shared;
mod stages;
mod target;
mod threads;
mod tls_words;
pub mod transfer;
mod tries;
mod view;

pub use abort::AbortSwitch;
pub use judge::is_busy;
pub use plan_run::{
    Prepared, check, describe, judge, prepare, run_plan, thresholds, thresholds_of_request, variables, writing_step,
};
pub use resources::{CacheConnection, CacheWire, OpensTargets, Resources, SqlConnection};
pub use run::run_http;
pub use seconds::heatmap;
pub use setup::{Error, Finished, RunContext, stopped_early};
pub use target::{redacted, resolve, validate};

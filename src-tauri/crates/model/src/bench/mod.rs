//! Benchmarks: what they do, their runs, and what is known of them while they run.
mod latency;
mod live;
mod run;
mod spec;
mod summary;

pub use latency::*;
pub use live::*;
pub use run::*;
pub use spec::*;
pub use summary::*;

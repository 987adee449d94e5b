//! Monitoring: the host and API collectors, the metric catalogue, the scheduler that runs collectors on one clock, and
//! the series store with its block codec.
//!
//! A missing value is a gap: never zero, never joined to its neighbours, never averaged over.
//!
//! | part | what it does |
//! | --- | --- |
//! | `state` | every decision of the scheduler as plain functions of the second: what is due, up or down, gaps, flushes |
//! | `scheduler` | the tasks around it: time, deadlines, panics, viewers, writing |
//! | `trouble` | findings of state: down, failing, blocked |
//! | `series`, `codec` | fifteen minutes in memory, older samples in blocks, down-sampling that keeps every spike |
//! | `host`, `api`, `own` | what is measured: this machine, an HTTP API, Perfdeck itself |
#![forbid(unsafe_code)]

mod api;
mod catalogue;
mod codec;
mod host;
mod own;
mod scheduler;
mod series;
mod state;
mod trouble;

pub use api::{ApiCollector, discover, test_api};
pub use catalogue::{catalogue, target_of, unit_of};
pub use codec::{Block, CodecError, MAX_SAMPLES, decimals};
pub use host::{HostCollector, machine};
pub use own::OwnCostMeter;
pub use scheduler::{Monitor, StorageStatus};
pub use series::{BlockStore, MemoryBlocks};
pub use state::Tick;

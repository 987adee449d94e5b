//! Monitoring: the host and API collectors, and the scheduler that runs collectors on one clock.
//! Samples go to `perfdeck-series`.
//!
//! A missing value is a gap: never zero, never joined to its neighbours, never averaged over.
//!
//! | part | what it does |
//! | --- | --- |
//! | `state` | every decision of the scheduler as plain functions of the second: what is due, up or down, gaps, flushes |
//! | `scheduler` | the tasks around it: time, deadlines, panics, viewers, writing |
//! | `trouble` | findings of state: down, failing |
//! | `host`, `api`, `own` | what is measured: this machine, an HTTP API, Perfdeck itself |
#![forbid(unsafe_code)]

mod api;
mod host;
mod own;
mod scheduler;
mod state;
mod trouble;

pub use api::{ApiCollector, discover, test_api};
pub use host::{HostCollector, machine};
pub use own::OwnCostMeter;
pub use scheduler::{Monitor, StorageStatus};
pub use state::Tick;

//! Caches: connection test in stages, collector and discovery for Redis and Valkey (single, Sentinel, Cluster), and the
//! in-process cache; and the cache-aside library over both.
#![forbid(unsafe_code)]

pub mod aside;

mod announced;
mod cluster;
mod collector;
mod commands;
mod connect;
mod discover;
pub mod edits;
mod error;
mod greeting;
mod info;
mod load;
mod look;
mod map;
mod memory;
mod memory_keys;
mod own;
mod scan;
pub mod take;
mod test;
pub mod values;

pub use collector::CacheCollector;
pub use commands::{CommandCounts, CommandReader};
pub use connect::{Purpose, opened_as};
pub use discover::discover;
pub use load::{LoadConnection, clients, connect_for_load, facts, servers};
pub use look::{CacheReader, MOST_SECONDS, USUAL_SECONDS};
pub use memory::{MemoryCache, MemoryCacheCollector};
pub use memory_keys::MemoryEdit;
pub use scan::{MapAsked, MapRun, MapWanted};
pub use test::test;

//! Caches: connection test in stages, collector and discovery for Redis and Valkey (single, Sentinel, Cluster), and the
//! in-process cache with its cache-aside helper.
#![forbid(unsafe_code)]

mod announced;
mod cluster;
mod collector;
mod commands;
mod connect;
mod discover;
mod error;
mod info;
mod load;
mod map;
mod memory;
mod scan;
mod test;

pub use collector::CacheCollector;
pub use commands::{CommandCounts, CommandReader};
pub use connect::Purpose;
pub use discover::discover;
pub use load::{LoadConnection, clients, connect_for_load, facts, servers};
pub use memory::{MemoryCache, MemoryCacheCollector};
pub use scan::{MapAsked, MapRun, MapWanted};
pub use test::test;

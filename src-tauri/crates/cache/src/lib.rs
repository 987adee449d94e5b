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
mod error;
mod info;
mod load;
mod memory;
mod test;

pub use collector::CacheCollector;
pub use commands::{CommandCounts, CommandReader};
pub use connect::Purpose;
pub use discover::discover;
pub use load::{LoadConnection, clients, connect_for_load, facts, servers};
pub use memory::{MemoryCache, MemoryCacheCollector};
pub use test::test;

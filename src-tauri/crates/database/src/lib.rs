//! SQL databases: connection test in stages, pool, collector, sessions and who blocks whom, statements, sizes, plans, health,
//! discovery, changes of indexes. PostgreSQL, MySQL, MariaDB and SQLite through sqlx.
//!
//! Every monitoring connection is Perfdeck's own: named `perfdeck`, read-only, with short statement and lock timeouts,
//! outside any pool. [`Pool`] is for load: the demo, benchmarks and experiments with its size.
#![forbid(unsafe_code)]

pub mod activity;
mod applications;
mod collector;
mod connect;
mod discover;
mod disk;
mod error;
mod facts;
mod foreign_text;
mod health;
mod hints;
pub mod index_change;
pub mod indexes;
mod load;
mod load_waits;
mod mysql;
mod occupancy;
mod options;
mod own;
mod plans;
mod pool;
mod postgres;
pub mod prove;
mod reading;
mod refused;
mod session;
mod sizes;
mod sqlite;
pub mod statements;
mod test;
mod tls;
mod trust;
pub mod what_if;

pub use activity::{ActivityFacts, ActivityReader, Long, tell_left};
pub use applications::PoolsReader;
pub use collector::DatabaseCollector;
pub use connect::Database;
pub use discover::discover;
pub use error::{Error, Result};
pub use facts::{Facts, facts};
pub use health::health;
pub use index_change::DROP_INDEX;
pub use indexes::{IndexFilter, RepeatedIndex, indexes, repeated_indexes};
pub use load::{LoadConnection, connect_for_load, dialect};
pub use load_waits::LoadWaits;
pub use occupancy::{Occupancy, OccupancyWatch};
pub use plans::{LONGEST_STATEMENT, plannable, statement_plan};
pub use pool::{Held, Pool, Pooled, SqlitePools};
pub use session::Session;
pub use sizes::{MOST_TABLES, index_bloat, measure_bloat, sizes};
pub use test::test;

//! SQL databases: connection test in stages, collector, discovery. PostgreSQL, MySQL, MariaDB and SQLite through sqlx.
//!
//! Every connection is Perfdeck's own: named `perfdeck`, with short statement and lock timeouts, outside any pool.
#![forbid(unsafe_code)]

mod collector;
mod connect;
mod discover;
mod test;

pub use collector::DatabaseCollector;
pub use discover::discover;
pub use test::test;

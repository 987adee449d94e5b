//! Private servers for tests: PostgreSQL, PgBouncer, HAProxy, MariaDB, Redis (single, Cluster, Sentinel) and a scripted HTTP target; a disk
//! that is soon full; and data that advice on indexes is held against.
//!
//! Every server is real, listens on loopback on a random port, keeps its files in a temporary folder of its own and
//! ends with the test: dropping it ends exactly its own process, and a watchdog ends it when the test process itself is
//! killed. Services that already run on the standard ports do not matter and are not touched.
//!
//! ```no_run
//! # async fn example() -> Result<(), perfdeck_testkit::Error> {
//! use std::time::Duration;
//! let postgres = perfdeck_testkit::Postgres::start().await?;
//! let url = postgres.url();
//! perfdeck_testkit::eventually(Duration::from_secs(5), async || url.starts_with("postgres://")).await;
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]

mod certificate;
mod disk;
mod eventually;
mod holds;
mod http;
mod mariadb;
mod poolers;
mod postgres;
mod postgres18;
mod process;
mod pypi;
mod redis_server;
pub mod rivals;
mod shared;
pub mod shown;
pub mod skew;
pub mod tpch;
mod wiretap;

pub use certificate::version_1;
pub use disk::{SmallDisk, empty_disk, fill_disk};
pub use eventually::{Outcome, eventually, eventually_blocking, output_of};
pub use holds::holds;
pub use http::{Answer, Request, ScriptedHttp};
pub use mariadb::MariaDb;
pub use poolers::{CuttingDoor, HaProxy, PgBouncer, SlowDoor};
pub use postgres::{Postgres, PostgresDatabase};
pub use process::{Paused, find_program, free_port, program_available};
pub use redis_server::{Redis, RedisCluster, RedisSentinel};
pub use shared::{shared_mariadb, shared_postgres, shared_server};
pub use wiretap::Wiretap;
// What the connections of the servers are, for tests of crates that know no driver.
pub use {redis, sqlx};

/// Password of [`Postgres`]'s superuser. Tests search logs and reports for it: it must never be found there.
pub const POSTGRES_PASSWORD: &str = "perfdeck-canary-secret-pg";
/// Password of [`MariaDb`]'s administrator; see [`POSTGRES_PASSWORD`].
pub const MARIADB_PASSWORD: &str = "perfdeck-canary-secret-my";

/// Why a private server could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program that the server needs is not installed.
    #[error("{program} was not found in {looked_in}; install it: {install}")]
    Missing {
        /// The program.
        program: String,
        /// Where it was looked for.
        looked_in: String,
        /// The command that installs it.
        install: String,
    },
    /// A set-up program failed.
    #[error("{program} failed: {detail}")]
    SetUp {
        /// The program.
        program: String,
        /// Its last output.
        detail: String,
    },
    /// The server ended or did not answer within its deadline.
    #[error("{server} did not come up: {detail}")]
    NotUp {
        /// The server.
        server: String,
        /// Why, with the end of its log.
        detail: String,
    },
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// PostgreSQL or MariaDB refused a statement.
    #[error("the private server refused a statement: {0}")]
    Sql(#[from] sqlx::Error),
    /// Redis refused a command.
    #[error("the private server refused a command: {0}")]
    Redis(#[from] redis::RedisError),
}

impl Error {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

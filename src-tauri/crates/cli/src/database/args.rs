//! The command line of databases.
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Statements that run now, longest first, without their literals
    Activity {
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Pools of the applications as the database sees them, those of a pooler, and Perfdeck's own
    ///
    /// How many callers wait inside an application is known to that application alone; PgBouncer tells its own. Churn needs
    /// readings of at least 10 s.
    Pool {
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
        /// Read once a second for so long, to tell how often sessions begin and end [example: 30s]
        #[arg(long = "for", value_name = "TIME", value_parser = crate::args::duration)]
        time: Option<std::time::Duration>,
    },
    /// Check the health: reachable, latency, connections, replication, transaction numbers, archive, settings
    ///
    /// Exit codes: 0 everything that can be known is fine or a warning, 3 a check fails, 4 a check could not be made.
    Health {
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
}

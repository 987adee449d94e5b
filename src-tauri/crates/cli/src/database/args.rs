//! The command line of databases.
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::args::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Statements that run now, longest first, without their literals
    Activity {
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Statements that took the database's time, heaviest first, without their literals
    ///
    /// From the history that is kept while a window, `serve` or `monitor` watches the environment. Where it has nothing of
    /// the time that is asked for, two readings are taken now.
    Statements(StatementsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StatementsArgs {
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// How far back, 7d at most
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    pub(crate) last: Duration,
    /// How many are shown, 1 to 200
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) top: u16,
    /// Take two readings so far apart, from now, instead of reading the history; 10s when there is none
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) time: Option<Duration>,
}

//! The command line of databases.
use std::time::Duration;

use clap::{Args, Subcommand};
use perfdeck_engine::cost::USUAL_PAIRS;

use crate::args::duration;
use crate::bench::args::{RequestArgs, rate};

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
    /// What one request costs: its statements, rows, pages, database time and cache commands
    ///
    /// Blocks with requests and blocks without alternate, and what others did meanwhile is taken off, so that the service needs
    /// no instrumentation. Requests are sent over one connection, each after the answer to the one before. Statements that are
    /// repeated for each row (N+1) are found and counted. Exits with 4 when a part could not be seen.
    Cost(Box<CostArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct CostArgs {
    /// Full URL, a path of the environment's API such as /staff/7/schedule, or a plan file (TOML) of HTTP requests
    pub(crate) target: String,
    /// Pairs of blocks, 6 to 60; more make the intervals narrower
    #[arg(long, value_name = "K", default_value_t = USUAL_PAIRS, value_parser = clap::value_parser!(u32).range(6..=60))]
    pub(crate) pairs: u32,
    /// Length of a block, 500ms to 60s
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) block: Duration,
    /// Requests per second instead of one after the other, for targets that need a rate
    #[arg(long, value_name = "R", allow_negative_numbers = true, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    /// Environment whose database and cache count; its guards hold
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// The environment's name again, where its guard asks for it
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,
    /// Allow what writes in a read-only environment, for this measurement
    #[arg(long, requires = "env")]
    pub(crate) unlock: bool,
    /// Name of the measurement
    #[arg(long)]
    pub(crate) name: Option<String>,
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

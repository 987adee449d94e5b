//! The command line of the monitor.
use std::time::Duration;

use clap::Args;

use crate::args::duration;

#[derive(Debug, Args)]
pub(crate) struct MonitorArgs {
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// How long; until Ctrl-C when absent
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) time: Option<Duration>,
    /// Time between samples, 1s or more
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) interval: Duration,
}

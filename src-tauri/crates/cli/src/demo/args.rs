//! The command line of the demo.
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Show ten seconds of live figures, run a benchmark of six seconds, write a report; on a terminal, serve the UI to a
    /// browser of this machine afterwards
    #[arg(long)]
    pub(crate) tour: bool,
    /// HTML file of the tour's report; in the reports folder when absent
    #[arg(long, value_name = "FILE", requires = "tour")]
    pub(crate) out: Option<PathBuf>,
}

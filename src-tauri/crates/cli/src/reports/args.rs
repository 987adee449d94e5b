//! The command line of runs and reports.
use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// List stored runs, newest first
    List {
        /// Of this environment only
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Show one run
    Show {
        /// Its identifier
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Runs to include; the latest one when nothing is named
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) run: Vec<String>,
    /// Comparisons to include: a stored one, or two runs as A:B
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) comparison: Vec<String>,
    /// Searches for the knee to include
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) knee: Vec<String>,
    /// Include the environment's findings, as they stand now
    #[arg(long)]
    pub(crate) findings: bool,
    /// HTML file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// JSON file to write; beside the HTML file when absent
    #[arg(long, value_name = "FILE")]
    pub(crate) json_out: Option<PathBuf>,
    /// Title shown on top
    #[arg(long)]
    pub(crate) title: Option<String>,
}

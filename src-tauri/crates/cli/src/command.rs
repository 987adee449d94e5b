//! The command line as types. Each feature has its own beside its work.
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};

use crate::args::Source;
use crate::bench::args::BenchCommand;
use crate::cache::args::CacheCommand;
use crate::changes::args::ChangesCommand;
use crate::database::args::DbCommand;
use crate::deleted::args::RestoreArgs;
use crate::demo::args::DemoArgs;
use crate::environments::args::EnvCommand;
use crate::journal::args::JournalArgs;
use crate::monitoring::args::MonitorArgs;
use crate::reports::args::{ReportArgs, RunCommand};
use crate::serve::args::ServeArgs;

/// Measure databases, caches and HTTP APIs, and prove what a change did.
///
/// Data goes to stdout; progress, logs and errors go to stderr. Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 a verdict
/// failed, 4 incomplete or invalid.
#[derive(Debug, Parser)]
#[command(name = "perfctl", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Write JSON with a `schema` field instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Folder of the local store [default: the platform's data folder]
    #[arg(long, global = true, env = "PERFDECK_DATA_DIR", value_name = "DIR", hide_env_values = true)]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) source: Source,
    /// Log more to stderr; repeat for debugging
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Manage environments
    #[command(subcommand)]
    Env(EnvCommand),
    /// Sample all targets of an environment
    Monitor(MonitorArgs),
    /// Send load and measure
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Look into a SQL database
    #[command(subcommand)]
    Db(DbCommand),
    /// Look into a Redis or Valkey cache, and change what is in it
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Look at stored runs
    #[command(subcommand)]
    Run(RunCommand),
    /// What was altered on targets: list it, ask the targets about it, undo it
    #[command(subcommand)]
    Changes(ChangesCommand),
    /// Show what was done: load that was sent or refused, environments that were changed or unlocked, changes of targets
    Journal(JournalArgs),
    /// List what was deleted in the last seven days and can be restored
    Deleted,
    /// Restore what was deleted
    Restore(RestoreArgs),
    /// Serve the UI and the RPC on a loopback port
    Serve(ServeArgs),
    /// Write a self-contained report
    Report(ReportArgs),
    /// Build the demo environment; with --tour, do the main job on it
    Demo(DemoArgs),
    /// Write a completion script for a shell to stdout
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual page to stdout
    Man {
        /// Write a page for each command into this folder instead
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Write the JSON Schemas of all `--json` answers
    #[command(hide = true)]
    Schemas {
        /// Folder to write into
        dir: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

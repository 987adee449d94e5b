//! The command line as types: what all commands share. Each feature has its own beside its work.
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use perfdeck_engine::plan::Span;

use crate::bench::args::BenchCommand;
use crate::database::args::DbCommand;
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

/// Where an environment comes from besides the local store. It is of this process only; `env add` stores it.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Take the environment from a TOML file
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["env_file", "from_env"])]
    pub(crate) config: Option<PathBuf>,
    /// Take the environment from an application's .env file (DATABASE_URL, REDIS_URL, API_BASE_URL, …)
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "from_env")]
    pub(crate) env_file: Option<PathBuf>,
    /// Take the environment from this process's variables (DATABASE_URL, REDIS_URL, API_BASE_URL, …)
    #[arg(long, global = true)]
    pub(crate) from_env: bool,
}

impl Source {
    /// Whether the environment comes from one of them.
    pub(crate) fn is_given(&self) -> bool {
        self.config.is_some() || self.env_file.is_some() || self.from_env
    }

    /// The option that was given, for messages.
    pub(crate) fn option(&self) -> &'static str {
        if self.config.is_some() {
            "--config"
        } else if self.env_file.is_some() {
            "--env-file"
        } else {
            "--from-env"
        }
    }
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
    /// Look at stored runs
    #[command(subcommand)]
    Run(RunCommand),
    /// Show what was done: load that was sent or refused, environments that were changed or unlocked
    Journal(JournalArgs),
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

/// `500ms`, `30s`, `5m`, `1h30m`; a bare number is seconds. As in plans.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    Span::parse(text).map(|span| span.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        for (text, ms) in
            [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("2", 2_000), ("1.5s", 1_500)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text} is understood");
        }
        for text in ["", "s", "5 parsecs", "-1s", "1e999s", "1.2.3s"] {
            assert!(duration(text).is_err(), "{text:?} is refused");
        }
    }
}

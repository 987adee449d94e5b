//! `perfctl changes` as types.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::args::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum ChangesCommand {
    /// List changes, newest first, and ask the targets about those in force
    List {
        /// Of this environment only
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Show one change, after its target was asked
    Show(One),
    /// Drop an index that enforces nothing or that another one repeats
    DropIndex {
        /// Name of the index, with its schema where the search path does not find it; TABLE.INDEX on MySQL and MariaDB
        index: String,
        /// Only say what would be done, and what it would give
        #[arg(long)]
        preview: bool,
        /// Environment whose database has it
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
        #[command(flatten)]
        allow: Allow,
    },
    /// Apply a change that was planned, or bring one that was cut off to its end
    Apply(Applying),
    /// Keep a change that the target confirmed; it can still be undone
    Keep(One),
    /// Discard a change that was not applied: nothing of it was sent
    Discard(One),
    /// Prove an index: run its statements with it and without it, in turns
    ///
    /// Statements are those that it was advised for, and those of --queries. Each is run with frequent, rare, far and absent values,
    /// for a minute in all, over one connection. The verdict is kept with the change. Ends with 0 where it is proven, 3 where it is
    /// not, and 4 where it cannot be told.
    Prove(Prove),
    /// Undo a change, or take away what was left half done
    Undo(Altering),
}

/// One change.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Its identifier
    pub(crate) id: String,
    /// Its environment; needed with --config, --env-file or --from-env only where those do not name it
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
}

/// One change, and what the guards of its environment ask for.
#[derive(Debug, Args)]
pub(crate) struct Altering {
    #[command(flatten)]
    pub(crate) one: One,
    #[command(flatten)]
    pub(crate) allow: Allow,
}

/// One change that is applied.
#[derive(Debug, Args)]
pub(crate) struct Applying {
    #[command(flatten)]
    pub(crate) altering: Altering,
    /// The text that its preview asks for, where so much would go, or nothing would undo it, that it must be agreed to
    #[arg(long, value_name = "TEXT")]
    pub(crate) agree: Option<String>,
}

/// What a proof measures.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    #[command(flatten)]
    pub(crate) one: One,
    /// File of further statements, or - for stdin; values may be parameters ($1, ?)
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: Option<PathBuf>,
    /// Run statements that write too, in transactions that are rolled back; triggers fire
    #[arg(long)]
    pub(crate) writes: bool,
    /// Time for measuring, such as 30s
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) time: Option<Duration>,
    #[command(flatten)]
    pub(crate) allow: Allow,
}

/// What the guards of an environment ask for.
#[derive(Debug, Args)]
pub(crate) struct Allow {
    /// The environment's name again, where its guard asks for it
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,
    /// Allow this change in a read-only environment
    #[arg(long)]
    pub(crate) unlock: bool,
}

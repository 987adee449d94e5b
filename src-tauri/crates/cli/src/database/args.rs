//! The command line of databases.
use clap::{Args, Subcommand};

use crate::changes::args::Allow;

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Sessions and what they do, without literals, and the maintenance that runs
    Activity {
        /// List idle sessions too; JSON has them always
        #[arg(long)]
        all: bool,
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Who waits for whom, with what would end it
    Locks {
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Cancel the statement that a session runs; the session stays
    Cancel(End),
    /// End a session; its open transaction is rolled back
    Terminate(End),
}

/// A session that is ended, and what the guards of its environment ask for.
#[derive(Debug, Args)]
pub(crate) struct End {
    /// Number of the session, as `db activity` and `db locks` list it
    pub(crate) pid: String,
    /// Only say what it frees and costs
    #[arg(long)]
    pub(crate) preview: bool,
    /// Environment whose database has it
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    #[command(flatten)]
    pub(crate) allow: Allow,
}

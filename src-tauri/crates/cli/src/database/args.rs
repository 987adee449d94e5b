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
}

//! The command line of what was deleted.
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// Identifier of a deleted environment, run, comparison, search or report, as `perfctl deleted` lists it
    pub(crate) id: String,
}

//! The command line of the journal.
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct JournalArgs {
    /// Of this environment only
    #[arg(long)]
    pub(crate) env: Option<String>,
    /// Entries at most, newest first
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

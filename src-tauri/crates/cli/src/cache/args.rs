//! The command line of caches.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::args::duration;
use crate::changes::args::{Allow, Altering};

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Remove keys so that they can be put back, or let them expire
    ///
    /// What it would do is said first. Each key is stored on this disk before it is removed, and removed only if it is still what was
    /// stored; what somebody writes meanwhile is left. It is undone by `perfctl cache undo` for 24 hours.
    Invalidate(Invalidate),
    /// Put back what an invalidation removed; what was written meanwhile is left
    Undo(Altering),
}

/// Which keys, and what is done with them.
#[derive(Debug, Args)]
pub(crate) struct Invalidate {
    /// Keys that match it: * ? [abc] and \ as the server has them
    #[arg(required_unless_present = "keys", conflicts_with = "keys")]
    pub(crate) pattern: Option<String>,
    /// File with the names of the keys, one a line, or - for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,
    /// Only say what it would do
    #[arg(long)]
    pub(crate) preview: bool,
    /// Let the keys expire at random within this time instead, so that not all are loaded again at once
    #[arg(long, value_name = "TIME", value_parser = duration, num_args = 0..=1, default_missing_value = "30s", require_equals = true)]
    pub(crate) soft: Option<Duration>,
    /// Remove keys too that are too large to be stored: nothing brings them back
    #[arg(long)]
    pub(crate) oversized: bool,
    /// Store nothing: nothing brings the keys back
    #[arg(long)]
    pub(crate) without_undo: bool,
    /// As fast as the server answers, instead of half of its time at most
    #[arg(long)]
    pub(crate) no_pace: bool,
    /// The pattern again, where so much would go that it must be agreed to
    #[arg(long, value_name = "PATTERN")]
    pub(crate) agree: Option<String>,
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    #[command(flatten)]
    pub(crate) allow: Allow,
}

//! The command line of caches.
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {}

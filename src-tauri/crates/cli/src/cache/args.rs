//! The command line of caches.
use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Map the keys by namespace: how many, how much memory, which types, when they expire
    ///
    /// Reads only. The pace is held to a tenth of a core of the server and 2 ms of added latency. Every figure says how sure it is:
    /// exact, between two bounds (95 %), or a lower bound. Exit codes: 0 all keys were read, 4 the map is unfinished or it was stopped.
    Map(MapArgs),
}

#[derive(Debug, Args)]
pub(crate) struct MapArgs {
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Ask type, expiry and memory of every key, not of a random share
    #[arg(long, conflicts_with = "names_only")]
    pub(crate) exact: bool,
    /// Ask nothing but the names of the keys
    #[arg(long)]
    pub(crate) names_only: bool,
    /// Scan as fast as it goes
    #[arg(long)]
    pub(crate) no_pace: bool,
    /// Read replicas in place of their primaries, where there are some
    #[arg(long)]
    pub(crate) replica: bool,
    /// Levels of namespaces to show, 1 to 12
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=12))]
    pub(crate) depth: u32,
    /// Namespaces to show, 1 to 500; JSON has as many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) top: u32,
    /// Characters at which names are divided; found in the names where none are given [example: ":/"]
    #[arg(long, value_name = "CHARACTERS")]
    pub(crate) delimiters: Option<String>,
    /// Write the namespaces as CSV into this file too
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
}

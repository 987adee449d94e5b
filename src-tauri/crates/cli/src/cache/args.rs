//! The command line of caches.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::args::duration;
use crate::changes::args::{Allow, Altering};

pub(crate) use super::keys::{DeleteArgs, ExpireArgs, KeysArgs, SetArgs, ShowArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Check the health: reachable, latency, memory and policy, evictions, replication, persistence, connections, slow commands
    ///
    /// Exit codes: 0 everything that can be known is fine or a warning, 3 a check fails, 4 a check could not be made.
    Health {
        /// Name or identifier of the environment
        #[arg(long, value_name = "NAME")]
        env: Option<String>,
    },
    /// Commands that took long, and on Valkey those whose request or reply was large, newest first
    ///
    /// Of their arguments only the names of keys are shown, and numbers that say how much is asked for. Perfdeck's own commands are
    /// left out. Exit code 4 when a log may not be seen.
    Slowlog(SlowlogArgs),
    /// Clients that are connected: blocked first, then those that take the most memory; Perfdeck's own are marked
    Clients(ClientsArgs),
    /// Which namespaces and keys are used most, by the counters of an LFU policy, or by watching commands for a short time
    Hot(HotArgs),
    /// Map the keys by namespace: how many, how much memory, which types, when they expire
    ///
    /// Reads only. The pace is held to a tenth of a core of the server and 2 ms of added latency. Every figure says how sure it is:
    /// exact, between two bounds (95 %), or a lower bound. Exit codes: 0 all keys were read, 4 the map is unfinished or it was stopped.
    Map(MapArgs),
    /// Keys by pattern, with type, expiry and memory
    ///
    /// Servers are walked with SCAN, a few hundred keys at a time; nothing is fetched of the values. Exits with 4 when a server, or
    /// something about a key, is missing.
    Keys(KeysArgs),
    /// One key: type, expiry, memory, use, and the first page of its value
    Show(ShowArgs),
    /// Edit a value: a string, a field of a hash, an element of a list, or a score of a sorted set
    ///
    /// Everything else stays: expiries, order, duplicates. It is written only if the server still has what it had when the edit was
    /// planned. It is a change that `perfctl changes undo` takes back.
    Set(SetArgs),
    /// Change when a key expires, as a change that can be undone
    Expire(ExpireArgs),
    /// Remove a key, as a change that can be undone unless the key takes more than 1 MiB
    Delete(DeleteArgs),
    /// Remove keys so that they can be put back, or let them expire
    ///
    /// What it would do is said first. Each key is stored on this disk before it is removed, and removed only if it is still what was
    /// stored; what somebody writes meanwhile is left. It is undone by `perfctl cache undo` for 24 hours.
    Invalidate(Invalidate),
    /// Put back what an invalidation removed; what was written meanwhile is left
    Undo(Altering),
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

#[derive(Debug, Args)]
pub(crate) struct SlowlogArgs {
    /// Entries to write at most; JSON has all that were read
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) top: usize,
    /// Sort by
    #[arg(long, default_value = "time", value_enum)]
    pub(crate) by: SlowBy,
    /// Only of commands whose name begins with this, such as `HGET`
    #[arg(long, value_name = "NAME")]
    pub(crate) command: Option<String>,
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
}

/// The order of a slow log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SlowBy {
    /// Newest first
    Time,
    /// Longest first
    Duration,
    /// Largest request or reply first
    Size,
}

#[derive(Debug, Args)]
pub(crate) struct ClientsArgs {
    /// Clients to write at most; JSON has all
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) top: usize,
    /// Sort by
    #[arg(long, default_value = "memory", value_enum)]
    pub(crate) by: ClientsBy,
    /// Ask a server for its list also where it has more than 2,000 clients: it serves nobody meanwhile
    #[arg(long)]
    pub(crate) all: bool,
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
}

/// The order of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientsBy {
    /// Blocked first, then by memory
    Memory,
    /// Oldest first
    Age,
    /// Idle for longest first
    Idle,
}

#[derive(Debug, Args)]
pub(crate) struct HotArgs {
    /// Watch every command (MONITOR) for a short time and at most 8 MiB of them; that costs a server about half of what it can do
    #[arg(long)]
    pub(crate) monitor: bool,
    /// Time that is watched, at most 10s [default: 2s]
    #[arg(long = "for", value_name = "TIME", value_parser = crate::args::duration, requires = "monitor")]
    pub(crate) time: Option<std::time::Duration>,
    /// Allow watching a production environment
    #[arg(long, requires = "monitor")]
    pub(crate) unlock: bool,
    /// The environment's name again, where its guard asks for it
    #[arg(long, value_name = "NAME", requires = "unlock")]
    pub(crate) confirm: Option<String>,
    /// Namespaces and keys to write at most, of each; JSON has all
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) top: usize,
    /// Name or identifier of the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
}

/// Which keys, and what is done with them.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub(crate) struct Invalidate {
    /// Keys that match it: * ? [abc] and \ as the server has them
    #[arg(group = "which")]
    pub(crate) pattern: Option<String>,
    /// File with the names of the keys, one a line, or - for stdin
    #[arg(long, value_name = "FILE", group = "which")]
    pub(crate) keys: Option<PathBuf>,
    /// Names in the file are written in hexadecimal digits
    #[arg(long, requires = "keys", conflicts_with = "base64")]
    pub(crate) hex: bool,
    /// Names in the file are written in Base64
    #[arg(long, requires = "keys")]
    pub(crate) base64: bool,
    /// All of one user: by its epoch in a cache of the cache-aside library, else by the environment's template 'user'
    #[arg(long, value_name = "ID", group = "which")]
    pub(crate) user: Option<String>,
    /// All with a tag: by its epoch in a cache of the cache-aside library, else by the environment's template 'tag'
    #[arg(long, value_name = "NAME", group = "which")]
    pub(crate) tag: Option<String>,
    /// What a template of the environment names, with this in the place of {id}
    #[arg(long, value_name = "NAME=VALUE", group = "which", value_parser = crate::environments::args::template)]
    pub(crate) template: Option<(String, String)>,
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

//! The command line of caches.
use clap::Subcommand;

pub(crate) use super::keys::{DeleteArgs, ExpireArgs, KeysArgs, SetArgs, ShowArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
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
}

//! Invalidation of cache keys: what is asked for, what is predicted of it, and what came.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{CacheBytes, ChangeDetail, MapCount};

/// One segment of a namespace's path, between two delimiters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamespacePart {
    /// These bytes, whatever they mean in a pattern.
    Exact(CacheBytes),
    /// An identifier, as the map collapses them: a number or a date, a UUID, a ULID, 16 hexadecimal digits and more, or what is longer
    /// than 128 bytes; braces around it are no part of it.
    Id,
    /// Anything but a delimiter.
    Any,
}

/// A node of the tree of namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheNamespace {
    /// Segments from the root.
    pub parts: Vec<NamespacePart>,
    /// Delimiter that keys are split by, such as `:`.
    pub delimiter: String,
}

/// Which keys are invalidated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InvalidationOf {
    /// Keys that match a pattern of the server's (`* ? [ ] \`).
    Pattern(CacheBytes),
    /// Keys below a node of the tree of namespaces.
    Namespace(CacheNamespace),
    /// These keys and no others; at most 1,000,000.
    Keys(Vec<CacheBytes>),
    /// All that belongs to one user: by its epoch where the cache is of the library `perfdeck_cache::aside`, else by the environment's
    /// template `user`.
    User(String),
    /// All that has a tag: as of a user, with the template `tag`.
    Tag(String),
    /// What a template of the environment says of a value.
    Template(TemplateOf),
}

/// A template of the environment, with a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateOf {
    /// Name of the template.
    pub name: String,
    /// What stands in the place of `{id}`, whatever its characters mean in a pattern.
    pub value: String,
}

/// What a user, a tag or a template came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InvalidationBy {
    /// By the epoch of a tag, in these caches of the library `perfdeck_cache::aside`: nothing is removed, and nothing that was filled before
    /// is served.
    Epoch {
        /// Names of the caches.
        caches: Vec<String>,
    },
    /// By a template of the environment.
    Template {
        /// Its name.
        name: String,
        /// The pattern that it came to.
        pattern: String,
    },
}

/// What is to be done with which keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvalidationSpec {
    /// Which keys.
    pub of: InvalidationOf,
    /// Keys expire at random within this time, in seconds (1 to 86,400), instead of being removed at once; `null` removes them.
    #[serde(default)]
    pub soft_s: Option<f64>,
    /// Keys too large for a snapshot are removed too, which nothing undoes. Otherwise they are left and reported.
    #[serde(default)]
    pub oversized: bool,
    /// No snapshot is kept: nothing undoes it.
    #[serde(default)]
    pub without_undo: bool,
    /// At half of the server's time at most, so that others are not kept waiting; `false` goes as fast as answers come.
    #[serde(default = "yes")]
    pub paced: bool,
}

fn yes() -> bool {
    true
}

/// Keys by the time after which they expire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct TtlProfile {
    /// Keys that never expire.
    pub never: u32,
    /// Within a minute.
    pub minute: u32,
    /// Within an hour.
    pub hour: u32,
    /// Within a day.
    pub day: u32,
    /// Later.
    pub later: u32,
}

/// A key that is too large to be kept for undoing: its snapshot would block the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct OversizedKey {
    /// Its name.
    pub key: CacheBytes,
    /// Memory that it takes, in bytes.
    pub bytes: f64,
    /// Its type.
    pub kind: String,
}

/// Clients that are connected under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ClientGroup {
    /// The name that they gave themselves, else the host they come from.
    pub name: String,
    /// Their library, where they tell it.
    pub library: Option<String>,
    /// How many connections they have.
    pub connections: u32,
}

/// What invalidating would do. Names of keys are in this answer only, and stored nowhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct InvalidationPreview {
    /// Keys that match.
    pub matched: MapCount,
    /// Keys in the database.
    pub database_keys: f64,
    /// Share of the database that they are, 0 to 1; `null` of an empty one.
    pub share: Option<f64>,
    /// Share of the key space that was looked through, 0 to 1.
    pub looked_through: f64,
    /// Keys that were looked at in detail; types, TTLs and bytes are of these.
    pub looked_at: u32,
    /// Memory of those, in bytes.
    pub bytes: f64,
    /// Those by type.
    pub types: BTreeMap<String, u32>,
    /// Those by the time after which they expire.
    pub ttl: TtlProfile,
    /// Names of some, at most 50; `null` when this process did not look, since they are stored nowhere.
    pub examples: Option<Vec<CacheBytes>>,
    /// Keys too large for a snapshot: how many were seen.
    pub oversized: u32,
    /// The largest of them, at most 50; `null` as `examples` is.
    pub oversized_keys: Option<Vec<OversizedKey>>,
    /// Clients that are connected, the most first, at most 20; `null` when this user may not see them, or they are more than 2,000.
    pub readers: Option<Vec<ClientGroup>>,
    /// Loads that the source then has more, in loads/s over the first 10 s, or over the time in which keys expire: of a sample of the keys
    /// those are counted that were read while they were watched for 4 s, projected by how their number grew. `null` where the server
    /// does not tell when keys were used (LFU), or fewer than 100 of more keys were looked at.
    pub extra_loads_per_s: Option<f64>,
    /// Bounds of that: the least is what was read during the watch (95 %), the most is that others are read each second, and that writes were reads.
    pub extra_loads_bounds: Option<(f64, f64)>,
    /// Seconds over which those loads are spread: 10, or the time in which keys expire where that is longer.
    pub extra_loads_over_s: f64,
    /// What a user, a tag or a template came to; `null` for what names keys itself.
    pub by: Option<InvalidationBy>,
    /// Time that it takes at the pace, in seconds.
    pub time_s: Option<f64>,
    /// How undoing is kept.
    pub undo: UndoKept,
    /// What is not restored as it was, one sentence each.
    pub not_restored: Vec<String>,
    /// Text that must be typed besides what the guards ask for, because so much would go; `null` when none.
    pub agree: Option<String>,
}

/// How what is removed is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UndoKept {
    /// In an encrypted file for 24 h; its key is kept with the secrets.
    File,
    /// In an encrypted file; its key is in memory and gone when this Perfdeck ends.
    ThisRun,
    /// In memory: a cache of this process.
    Memory,
    /// In the change itself: an epoch that is put back. It brings back what has not expired by then.
    Epoch,
    /// Not at all: it was asked for so.
    Not,
}

/// Keys of one server that something was refused for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct NodeFailures {
    /// The server.
    pub node: String,
    /// How many keys.
    pub keys: u32,
    /// What it said of the first.
    pub why: String,
}

/// What became of the keys while they were taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct TakenKeys {
    /// Keys that matched; of an epoch 0.
    pub matched: f64,
    /// Epochs that were changed; `null` where keys were removed.
    pub epochs: Option<f64>,
    /// Removed, or set to expire.
    pub removed: f64,
    /// Payload of what was kept for undoing, in bytes.
    pub bytes: f64,
    /// Gone before they were taken: expired, evicted, or removed by others.
    pub gone: f64,
    /// Left because somebody changed them again and again meanwhile.
    pub changed: f64,
    /// Left because they are too large for a snapshot.
    pub oversized_left: f64,
    /// Removed although they are too large for a snapshot; nothing brings them back.
    pub oversized_removed: f64,
    /// Left because they expire sooner anyway (soft).
    pub sooner: f64,
    /// Refused, by server.
    pub failed: Vec<NodeFailures>,
    /// Keys that match after it and were not among those removed; `null` while that was not looked for.
    pub survivors: Option<f64>,
    /// Keys that were removed and are there again: written anew meanwhile; `null` while that was not looked for.
    pub recreated: Option<f64>,
    /// Digest of the names of the removed keys, whatever their order: the sum of their SHA-1, in hexadecimal.
    pub digest: String,
    /// Time that it took, in seconds.
    pub seconds: f64,
}

impl TakenKeys {
    /// Keys that match and are there still, as far as was looked. Those that expire sooner anyway go by themselves.
    pub fn left(&self) -> f64 {
        (self.survivors.unwrap_or(0.0) - self.sooner).max(0.0)
    }
}

/// What became of the keys while it was undone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct RestoredKeys {
    /// Keys of the snapshot that were removed; epochs that were changed.
    pub kept: f64,
    /// Restored with value and expiry, or whose expiry was set back (soft).
    pub restored: f64,
    /// There already, exactly as they were.
    pub there: f64,
    /// Written anew meanwhile: left as they are. An epoch that somebody else changed meanwhile is one too.
    pub recreated: f64,
    /// Their own expiry passed meanwhile: not restored.
    pub expired: f64,
    /// Soft: gone, and no snapshot of their value was taken.
    pub lost: f64,
    /// Refused, by server.
    pub failed: Vec<NodeFailures>,
    /// Time that it took, in seconds.
    pub seconds: f64,
}

/// Stage that an invalidation came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvalidationStage {
    /// Nothing was removed.
    #[default]
    Planned,
    /// Keys are being taken, or it ended in the middle of that.
    Taking,
    /// All are taken.
    Taken,
    /// Being undone, or it ended in the middle of that.
    Undoing,
    /// Undone.
    Undone,
}

/// An invalidation: the change that it is, what was predicted, and what came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct Invalidation {
    /// The change, which is applied, undone and discarded as others are; its identifier undoes it.
    pub detail: ChangeDetail,
    /// What was predicted.
    pub preview: InvalidationPreview,
    /// Stage.
    pub stage: InvalidationStage,
    /// Whether it is paused; only in the process that works on it.
    pub paused: bool,
    /// What was taken; `null` before.
    pub taken: Option<TakenKeys>,
    /// What was restored; `null` before.
    pub restored: Option<RestoredKeys>,
    /// Time until which it can be undone, in milliseconds since the Unix epoch; `null` when it cannot, or is not kept by a file.
    pub undo_until_ms: Option<f64>,
    /// Its snapshot expired: it cannot be undone any more.
    pub undo_over: bool,
}

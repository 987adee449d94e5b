//! The map of a cache: its keys by namespace, with how sure each figure is.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::CacheBytes;

/// A number of keys or bytes, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MapCount {
    /// It is so.
    Exact {
        /// The number.
        value: f64,
    },
    /// Between two bounds.
    Estimate {
        /// The likeliest number.
        value: f64,
        /// Lower bound of the 95 % interval.
        low: f64,
        /// Upper bound of the 95 % interval.
        high: f64,
    },
    /// What was seen; how much more there is is not known.
    AtLeast {
        /// The number that was seen.
        value: f64,
    },
}

impl MapCount {
    /// The number, however sure it is.
    pub fn value(self) -> f64 {
        match self {
            Self::Exact { value } | Self::Estimate { value, .. } | Self::AtLeast { value } => value,
        }
    }

    /// Its bounds; `None` above where there is none.
    pub fn bounds(self) -> (f64, Option<f64>) {
        match self {
            Self::Exact { value } => (value, Some(value)),
            Self::Estimate { low, high, .. } => (low, Some(high)),
            Self::AtLeast { value } => (value, None),
        }
    }

    /// Whether it is exact.
    pub fn is_exact(self) -> bool {
        matches!(self, Self::Exact { .. })
    }
}

/// What a map asks of each key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MapDetail {
    /// Nothing but its name.
    Names,
    /// Type, expiry and memory of a random share of the keys, and of the first of each namespace.
    #[default]
    Sampled,
    /// Type, expiry and memory of each.
    Exact,
}

/// Where a map stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MapState {
    /// The keys are being read.
    #[default]
    Running,
    /// Reading waits for a person.
    Paused,
    /// Every key was read.
    Finished,
    /// It ended before all keys were read; what was read is kept.
    Unfinished,
}

/// What the reading costs the server, and what it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct MapPace {
    /// Whether it is held to the limits below.
    pub paced: bool,
    /// Keys read per second, over the last seconds, of all servers together.
    pub keys_per_s: f64,
    /// Share of one core of the server that it uses more than before the scan, of the busiest server; `null` where the server does
    /// not tell.
    pub cpu_share: Option<f64>,
    /// Limit of that share.
    pub cpu_limit: f64,
    /// How much longer a round trip takes than before the scan, 99th percentile of the last seconds, of the worst server.
    pub added_p99_ms: Option<f64>,
    /// Limit of that.
    pub added_limit_ms: f64,
    /// How often the pace was halved because a limit was passed.
    pub halved: u32,
}

/// A server whose keys are read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct MapNode {
    /// Its address.
    pub address: String,
    /// Whether it is a replica: what it has may be older than what its primary has.
    pub replica: bool,
    /// Keys that were read.
    pub keys_read: f64,
    /// Keys that the server counts; `null` where it does not tell.
    pub keys: Option<f64>,
    /// Whether it was read to its end.
    pub finished: bool,
    /// Keys whose type, expiry or memory was asked for and refused.
    pub refused: f64,
    /// Why the first of them was refused, or why reading ended before its end.
    pub problem: Option<String>,
    /// What helps.
    pub hint: Option<String>,
}

/// Keys of one type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct MapType {
    /// `string`, `hash`, `list`, `set`, `zset`, `stream`, or `other` for what only this server has.
    pub name: String,
    /// How many keys, projected from those that were asked.
    pub keys: f64,
}

/// Keys that expire within a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct MapTtlBucket {
    /// The time left is at least this, in seconds.
    pub from_s: f64,
    /// And below this.
    pub to_s: f64,
    /// How many keys, projected from those that were asked.
    pub keys: f64,
}

/// When the keys of a namespace expire.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct MapTtl {
    /// Keys by the time that was left, each bucket twice as long as the one before; empty ones at both ends are left out.
    pub buckets: Vec<MapTtlBucket>,
    /// Half of the keys that expire do so within this time; `null` where none does.
    pub median_s: Option<f64>,
}

/// Keys whose names begin alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct MapNamespace {
    /// What `cache.map_state` takes as `path` to show what is inside. It means nothing else.
    pub path: String,
    /// Its name for a person: identifiers are `*`, what no text can show is written out.
    pub name: String,
    /// Its last part, for a place inside its parent.
    pub label: String,
    /// Glob pattern that matches all its keys; others too, where `*` stands for an identifier that holds a delimiter. `null` for what
    /// is no namespace: the others that were too many to list.
    pub pattern: Option<CacheBytes>,
    /// Number of its parts: 1 at the top.
    pub depth: u32,
    /// Namespaces directly inside.
    pub inside: u32,
    /// How many keys.
    pub keys: MapCount,
    /// Memory of the keys as the server counts it, values and names; `null` where it was not asked or the server does not tell.
    pub bytes: Option<MapCount>,
    /// Share of the keys of the whole cache, 0 to 1.
    pub share_of_keys: f64,
    /// Share of the bytes of the whole cache, 0 to 1.
    pub share_of_bytes: Option<f64>,
    /// Half of the 95 % interval of that share; `null` where it has no bounds.
    pub share_of_bytes_error: Option<f64>,
    /// Bytes of a key on average.
    pub bytes_per_key: Option<f64>,
    /// Keys that never expire; `null` where it was not asked.
    pub without_expiry: Option<MapCount>,
    /// When the others expire; `null` where it was not asked, or the cache does not tell.
    pub ttl: Option<MapTtl>,
    /// Its types, most keys first.
    pub types: Vec<MapType>,
    /// Keys whose type, expiry and memory were asked.
    pub sampled: f64,
    /// Names of some keys, at most 8, drawn at random.
    pub examples: Vec<CacheBytes>,
    /// The largest namespaces inside, at most 6, to be drawn in its place.
    pub parts: Vec<MapPart>,
}

/// A namespace inside another one, as it is drawn there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct MapPart {
    /// Its name after that of the other one.
    pub label: String,
    /// Its likeliest number of keys.
    pub keys: f64,
    /// Its likeliest memory; `null` where it was not asked.
    pub bytes: Option<f64>,
}

/// The map of a cache as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheMap {
    /// Identifier of the map.
    pub id: String,
    /// The job that makes it or made it.
    pub job_id: String,
    /// What was asked of each key.
    pub detail: MapDetail,
    /// Where it stands.
    pub state: MapState,
    /// Start time, in milliseconds since the Unix epoch.
    pub started_ms: f64,
    /// Time since the start, until the end where it ended, pauses included.
    pub duration_s: f64,
    /// Share of the key space that was read, 0 to 1.
    pub progress: Option<f64>,
    /// Time that the rest takes at this pace; `null` where it cannot be known.
    pub left_s: Option<f64>,
    /// Product and version of the first server.
    pub server: Option<String>,
    /// Keys that were read.
    pub keys_read: f64,
    /// Keys whose type, expiry and memory were asked.
    pub sampled: f64,
    /// All of it as one namespace: keys, bytes, types, expiry.
    pub all: Option<MapNamespace>,
    /// Whether every count of keys is exact.
    pub exact: bool,
    /// Whether the keys that were read are like a random sample of all. Until the scan ends, counts are lower bounds where they are not.
    pub random_sample: bool,
    /// Keys that came or went while they were read, as far as the servers' counters show.
    pub churn: f64,
    /// Memory that the servers use, in bytes.
    pub used_memory_bytes: Option<f64>,
    /// Memory that they may use; `null` without a limit.
    pub max_memory_bytes: Option<f64>,
    /// Characters at which names are divided.
    pub delimiters: String,
    /// Namespaces that the map holds.
    pub namespaces: u32,
    /// Keys in namespaces that were too many to hold, and are counted as `others` where they were.
    pub folded: f64,
    /// What it costs the server.
    pub pace: MapPace,
    /// Its servers.
    pub nodes: Vec<MapNode>,
    /// What is not known, or not as sure as it looks, one sentence each.
    pub notes: Vec<String>,
}

/// What namespaces are listed by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MapOrder {
    /// Most memory first; most keys where memory was not asked.
    #[default]
    Bytes,
    /// Most keys first.
    Keys,
    /// By name.
    Name,
}

/// The map, and what is inside one of its namespaces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheMapPage {
    /// The map as a whole.
    pub map: CacheMap,
    /// The namespace that was asked about and those around it, outermost first; empty for the whole map.
    pub within: Vec<MapNamespace>,
    /// What is inside, in the order that was asked for. A namespace with one namespace inside and nothing else is shown as that one.
    pub namespaces: Vec<MapNamespace>,
    /// Namespaces that are inside and not on this page, before and after it.
    pub left_out: u32,
    /// Keys in them.
    pub left_out_keys: f64,
    /// Bytes in them; `null` where memory was not asked.
    pub left_out_bytes: Option<f64>,
}

//! What a cache's servers tell of themselves, without a look at their keys.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{CacheMode, HealthCheck};

/// A part that is not known, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheUnknown {
    /// What is not known, such as "Clients".
    pub part: String,
    /// Why: this kind of server never tells it, this user may not see it, or no answer came.
    pub reason: String,
    /// ACL rule that lets this user see it; `null` when nothing is refused.
    pub grant: Option<String>,
    /// What lets the server keep it from now on, to be copied; `null` where nothing does.
    pub fix: Option<String>,
}

/// Memory of a cache, summed over its primaries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheMemory {
    /// In use, in bytes; `null` when not told.
    pub used_bytes: Option<f64>,
    /// Most that was ever in use, in bytes.
    pub peak_bytes: Option<f64>,
    /// Limit (`maxmemory`) in bytes; `null` without one, and where a primary has none.
    pub limit_bytes: Option<f64>,
    /// What happens at the limit (`maxmemory-policy`); several with a comma where primaries differ.
    pub policy: Option<String>,
    /// Memory of the machines, in bytes. Nodes on one machine each tell all of it.
    pub system_bytes: Option<f64>,
    /// Keys and values, in bytes.
    pub dataset_bytes: Option<f64>,
    /// Buffers of clients, in bytes.
    pub clients_bytes: Option<f64>,
    /// Buffers and backlog of replication, in bytes.
    pub replication_bytes: Option<f64>,
    /// Scripts and functions, in bytes.
    pub scripts_bytes: Option<f64>,
    /// Resident memory that the system has given, in bytes.
    pub resident_bytes: Option<f64>,
    /// Pages that the allocator holds, over what is in use in them, as it counts it; `null` where it does not.
    pub fragmentation: Option<f64>,
    /// Bytes of those pages that are not in use.
    pub fragmentation_bytes: Option<f64>,
    /// Allocator, such as `jemalloc-5.3.0`.
    pub allocator: Option<String>,
}

/// One database of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheDatabase {
    /// Number, from 0.
    pub number: u32,
    /// Keys, as the server counts them.
    pub keys: u64,
    /// Those that expire.
    pub expires: u64,
    /// Mean time to live of those, in milliseconds, as the server estimates it; `null` when it does not.
    pub mean_ttl_ms: Option<u64>,
}

/// Keys by size, of one type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheTypeSizes {
    /// Type, such as `strings`.
    pub of: String,
    /// Whether sizes are bytes; otherwise they are elements.
    pub in_bytes: bool,
    /// Keys of this type.
    pub keys: u64,
    /// Keys by size, smallest first.
    pub sizes: Vec<CacheSizeBucket>,
}

/// Keys whose size is at least `from` and below the next power of two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheSizeBucket {
    /// Smallest size, in bytes or elements.
    pub from: f64,
    /// Keys.
    pub keys: u64,
}

/// What went on between two readings, without what Perfdeck did itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheRecent {
    /// Time between the readings, in seconds.
    pub over_s: f64,
    /// Commands per second.
    pub commands_per_s: f64,
    /// Perfdeck's own commands per second, which are not among those.
    pub own_per_s: f64,
    /// Hits among look-ups of keys, 0 to 1; `null` without look-ups.
    pub hit_ratio: Option<f64>,
    /// Look-ups of keys per second.
    pub look_ups_per_s: f64,
    /// Keys evicted per second.
    pub evicted_per_s: f64,
    /// Keys expired per second.
    pub expired_per_s: f64,
    /// Connections that were refused in this time.
    pub rejected: u64,
    /// Bytes received per second.
    pub in_bytes_per_s: Option<f64>,
    /// Bytes sent per second.
    pub out_bytes_per_s: Option<f64>,
    /// Share of the busiest server's main thread that commands took, 0 to 1, by the server's own times of them.
    pub busy: f64,
}

/// Counts since the servers began, or since somebody reset them. Perfdeck never does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheTotals {
    /// Time since the server began that began last, in seconds.
    pub since_s: Option<f64>,
    /// Commands.
    pub commands: Option<f64>,
    /// Hits among look-ups of keys, 0 to 1; `null` without look-ups.
    pub hit_ratio: Option<f64>,
    /// Keys evicted.
    pub evicted: Option<f64>,
    /// Keys expired.
    pub expired: Option<f64>,
    /// Connections refused because all places were taken.
    pub rejected: Option<f64>,
}

/// What one command cost, summed over the servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheCommandCost {
    /// Name, such as `GET` or `CLIENT LIST`.
    pub name: String,
    /// Calls.
    pub calls: u64,
    /// Time that they took on the servers, in seconds.
    pub seconds: f64,
    /// Share of the time of all commands, 0 to 1.
    pub share: f64,
    /// Mean time of a call, in seconds.
    pub mean_s: f64,
    /// Calls that were refused before they began.
    pub rejected: u64,
    /// Calls that ended with an error.
    pub failed: u64,
    /// Median, in seconds, of the slowest server; `null` where servers keep no times of commands.
    pub p50_s: Option<f64>,
    /// 99th percentile, in seconds.
    pub p99_s: Option<f64>,
    /// 99.9th percentile, in seconds.
    pub p999_s: Option<f64>,
    /// The same between two readings; `null` before the second.
    pub recent: Option<CacheCommandRecent>,
}

/// What one command cost between two readings, without Perfdeck's own calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheCommandRecent {
    /// Calls per second.
    pub calls_per_s: f64,
    /// Mean time of a call, in seconds; `null` without calls.
    pub mean_s: Option<f64>,
    /// Share of the time of all commands, 0 to 1.
    pub share: f64,
}

/// How often an error was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheErrorCount {
    /// Its code, such as `WRONGTYPE`.
    pub code: String,
    /// How often.
    pub count: u64,
}

/// What held a server up, by its latency monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheLatencyEvent {
    /// The server.
    pub node: String,
    /// What it was, such as `command` or `fork`.
    pub name: String,
    /// When it was last, in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// How long that lasted, in seconds.
    pub latest_s: f64,
    /// Longest of all, in seconds.
    pub longest_s: f64,
    /// The last of them, oldest first; at most 160.
    pub history: Vec<CacheLatencySpike>,
}

/// One time that something held a server up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheLatencySpike {
    /// Time in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// How long, in seconds.
    pub seconds: f64,
}

/// A replica, as its primary sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheReplica {
    /// Its address.
    pub address: String,
    /// Its state, such as `online`.
    pub state: String,
    /// Time since it was last heard of, in seconds; `null` when not told.
    pub lag_s: Option<f64>,
    /// What it still has to get, in bytes.
    pub behind_bytes: Option<f64>,
}

/// The link of a replica to its primary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheLink {
    /// Address of its primary.
    pub address: String,
    /// Whether it is up.
    pub up: bool,
    /// Whether a full copy is being made.
    pub syncing: bool,
    /// Time since the last data came, in seconds; `null` when not told.
    pub silent_s: Option<f64>,
}

/// What a server keeps on disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CachePersistence {
    /// Whether it is loading its data.
    pub loading: bool,
    /// Last snapshot that succeeded since the server began, in milliseconds since the Unix epoch; `null` where there was none.
    pub saved_ms: Option<f64>,
    /// Changes since then.
    pub changes: Option<f64>,
    /// Whether the last snapshot succeeded.
    pub save_ok: Option<bool>,
    /// Whether a snapshot is being written.
    pub saving: bool,
    /// Whether changes are written to a log (AOF).
    pub log: Option<bool>,
    /// Whether its last write succeeded.
    pub log_ok: Option<bool>,
    /// Whether the last rewrite of the log succeeded.
    pub rewrite_ok: Option<bool>,
    /// Time that the last fork stopped the server, in seconds.
    pub fork_s: Option<f64>,
}

/// One server of a cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheNode {
    /// Its address.
    pub address: String,
    /// Product and version.
    pub version: String,
    /// Its part: `master` or `slave`, as it says it.
    pub role: String,
    /// Time since it began, in seconds.
    pub uptime_s: Option<f64>,
    /// Round trip of a PING, in seconds.
    pub ping_s: f64,
    /// Memory in use, in bytes.
    pub used_bytes: Option<f64>,
    /// Its limit, in bytes; `null` without one.
    pub limit_bytes: Option<f64>,
    /// Keys.
    pub keys: u64,
    /// Clients, Perfdeck's own of this process left out.
    pub clients: Option<u64>,
    /// Most clients that it takes.
    pub max_clients: Option<u64>,
    /// Clients that wait in a command that blocks.
    pub blocked: Option<u64>,
    /// Commands per second between two readings; `null` before the second.
    pub commands_per_s: Option<f64>,
    /// Replicas of it.
    pub replicas: Vec<CacheReplica>,
    /// Link to its primary; `null` for a primary.
    pub primary: Option<CacheLink>,
    /// What it keeps on disk.
    pub persistence: CachePersistence,
    /// Its slots; `null` where it is no node of a cluster.
    pub slots: Option<CacheSlots>,
}

/// Slots of a node of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheSlots {
    /// How many of the 16,384.
    pub count: u32,
    /// Ranges, both ends included; at most 32.
    pub ranges: Vec<CacheSlotRange>,
    /// Ranges beyond those.
    pub left_out: u32,
    /// Slots that are being moved away or towards it.
    pub moving: u32,
}

/// Slots from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheSlotRange {
    /// First.
    pub from: u32,
    /// Last.
    pub to: u32,
}

/// What a cache tells within a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheLook {
    /// Time in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Time that it took, in seconds.
    pub took_s: f64,
    /// Product and version; several with a comma where servers differ.
    pub version: String,
    /// Deployment; `null` for the cache in this process.
    pub mode: Option<CacheMode>,
    /// Servers: primaries, or the one server of the address.
    pub nodes: Vec<CacheNode>,
    /// Memory.
    pub memory: CacheMemory,
    /// Databases that have keys.
    pub databases: Vec<CacheDatabase>,
    /// Keys of all databases.
    pub keys: u64,
    /// Those that expire.
    pub expiring: u64,
    /// Keys by type and size; empty where servers keep none.
    pub sizes: Vec<CacheTypeSizes>,
    /// What went on between two readings; `null` before the second.
    pub recent: Option<CacheRecent>,
    /// Counts since the start.
    pub totals: CacheTotals,
    /// Commands by the time that they took between the readings, or since the start before the second; at most 200.
    pub commands: Vec<CacheCommandCost>,
    /// Errors by their number; at most 64.
    pub errors: Vec<CacheErrorCount>,
    /// What held servers up.
    pub latency: Vec<CacheLatencyEvent>,
    /// The latency doctor's words, of each server that has some; at most 4 KiB of each.
    pub doctor: Vec<CacheDoctor>,
    /// What is wrong: checks that need attention.
    pub findings: Vec<HealthCheck>,
    /// What is not known, and why.
    pub unknown: Vec<CacheUnknown>,
}

/// What a server's latency doctor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheDoctor {
    /// The server.
    pub node: String,
    /// Its words.
    pub words: String,
}

/// Which log of a server an entry is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheSlowKind {
    /// Commands that took long.
    Slow,
    /// Commands whose request was large.
    LargeRequest,
    /// Commands whose reply was large.
    LargeReply,
}

/// What a word of a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheWordKind {
    /// A word of the command, or a number that says how much is asked for.
    Word,
    /// Name of a key.
    Key,
    /// Anything else: its text is left out.
    Hidden,
}

/// A word of a command in a server's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheWord {
    /// What it is.
    pub kind: CacheWordKind,
    /// Its text; `?` where it is left out. Names that are no text have their bytes as `\xNN`.
    pub text: String,
    /// Its length, in bytes.
    pub bytes: f64,
}

/// An entry of a server's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheSlowEntry {
    /// Which log.
    pub kind: CacheSlowKind,
    /// Its number at its server.
    pub id: u64,
    /// The server.
    pub node: String,
    /// When it was, in milliseconds since the Unix epoch; servers keep whole seconds.
    pub at_ms: f64,
    /// How long it took, in seconds, waiting for locks and other threads included; `null` in a log of sizes.
    pub seconds: Option<f64>,
    /// CPU time of it, in seconds; `null` where the server keeps none.
    pub cpu_s: Option<f64>,
    /// Size of the request or reply, in bytes; `null` in the log of times.
    pub bytes: Option<f64>,
    /// Command, such as `HGETALL` or `CLIENT LIST`.
    pub command: String,
    /// All words, those of the command first.
    pub words: Vec<CacheWord>,
    /// Words that the server left out.
    pub words_left_out: u32,
    /// Address of the client; `null` when not told.
    pub client: Option<String>,
    /// Name of the client; `null` without one.
    pub client_name: Option<String>,
}

/// The logs of a cache's servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheSlowLog {
    /// Time in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Time that it took, in seconds.
    pub took_s: f64,
    /// Product and version.
    pub version: String,
    /// Entries, newest first. The newest 128 of each log of each server are asked for.
    pub entries: Vec<CacheSlowEntry>,
    /// Perfdeck's own entries, which are not listed.
    pub own: u32,
    /// Entries that the servers keep and that were not asked for.
    pub left_out: u64,
    /// Time from which a command is logged, in seconds; `null` when it is not known.
    pub slower_than_s: Option<f64>,
    /// Whether servers log large requests and replies.
    pub sizes: bool,
    /// What is not known, and why.
    pub unknown: Vec<CacheUnknown>,
}

/// A client of a cache's server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheClient {
    /// Number at its server.
    pub id: u64,
    /// The server.
    pub node: String,
    /// Its address.
    pub address: String,
    /// Name that it gave itself; `null` without one.
    pub name: Option<String>,
    /// Library and its version, as it says it; `null` where it does not.
    pub library: Option<String>,
    /// User that it signed in as.
    pub user: Option<String>,
    /// Time since it connected, in seconds.
    pub age_s: f64,
    /// Time since its last command, in seconds.
    pub idle_s: f64,
    /// Number of its database.
    pub database: u32,
    /// Last command, such as `GET`; `null` before the first.
    pub command: Option<String>,
    /// What it does.
    pub state: CacheClientState,
    /// Channels and patterns that it is subscribed to.
    pub subscriptions: u32,
    /// Commands queued in its transaction; `null` outside of one.
    pub queued: Option<u32>,
    /// Keys that it watches.
    pub watched: Option<u32>,
    /// Memory that it takes, in bytes; `null` where the server does not tell.
    pub memory_bytes: Option<f64>,
    /// Replies that wait to be sent to it, in bytes.
    pub output_bytes: f64,
    /// Commands that it has sent so far; `null` where the server does not count.
    pub commands: Option<f64>,
    /// Bytes that it has got so far; `null` where the server does not count.
    pub sent_bytes: Option<f64>,
    /// Whether it is a Perfdeck.
    pub ours: bool,
}

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheClientState {
    /// Waits in a command that blocks.
    Blocked,
    /// Gets every command that the server does.
    Monitor,
    /// Is a replica of this server.
    Replica,
    /// Is the primary of this server.
    Primary,
    /// Gets what is published.
    Subscribed,
    /// Is within a transaction.
    Transaction,
    /// Is being closed.
    Closing,
    /// None of these.
    Normal,
}

/// The clients of a cache's servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheClients {
    /// Time in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// Time that it took, in seconds.
    pub took_s: f64,
    /// Product and version.
    pub version: String,
    /// Clients: blocked first, then those that take the most memory.
    pub clients: Vec<CacheClient>,
    /// Clients that are connected, Perfdecks included.
    pub connected: u64,
    /// Clients that wait in a command that blocks.
    pub blocked: u64,
    /// Perfdecks among those that are listed.
    pub ours: u32,
    /// Clients that are not listed.
    pub left_out: u64,
    /// Most clients that the servers take; `null` when not told.
    pub max_clients: Option<u64>,
    /// What is not known, and why.
    pub unknown: Vec<CacheUnknown>,
}

/// How the heat of keys was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheHeatMethod {
    /// The counters of use that servers keep under an LFU policy, of keys drawn at random.
    Lfu,
    /// The commands of a short time, all of them.
    Monitor,
    /// The keys that took most CPU time in a short time, as the servers count them themselves (HOTKEYS).
    Hotkeys,
}

/// The heat of a namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheHeatNamespace {
    /// What its keys' names begin with, such as `session:*`; `null` for names without a delimiter, which may be data.
    pub name: Option<String>,
    /// Keys that were drawn (LFU) or listed (hotkeys), or uses of keys that were seen (monitor).
    pub seen: u64,
    /// Its share of all use, 0 to 1: estimated from the counters (LFU), of the uses that were seen, or of the CPU time (hotkeys).
    pub share: f64,
    /// 95 % interval of the share by the size of the sample, or what is listed and what may be besides (hotkeys); `null` where all of a time was
    /// seen.
    pub share_low: Option<f64>,
    /// Its upper end.
    pub share_high: Option<f64>,
    /// Mean of the counters, 0 to 255, which grow with the logarithm of use; `null` where commands were seen.
    pub mean_counter: Option<f64>,
    /// Reads per second; `null` from counters.
    pub reads_per_s: Option<f64>,
    /// Writes per second; `null` from counters.
    pub writes_per_s: Option<f64>,
    /// Most that its hit ratio can be, 0 to 1: a key that is written after it was read was missed. A miss after which nothing is written is not
    /// seen. `null` without reads, and from counters.
    pub hit_ratio_at_most: Option<f64>,
}

/// A key that is used much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheHotKey {
    /// Its name; bytes that are no text as `\xNN`.
    pub name: String,
    /// Its counter, 0 to 255 (LFU), how often it was used in the time (monitor), or its CPU time in microseconds (hotkeys).
    pub uses: f64,
}

/// Which namespaces and keys are used most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct CacheHeat {
    /// Time in milliseconds since the Unix epoch.
    pub at_ms: f64,
    /// How it was found.
    pub method: CacheHeatMethod,
    /// Time that it took, in seconds; of a monitor the time that was watched.
    pub took_s: f64,
    /// Product and version.
    pub version: String,
    /// Keys that were drawn or listed, or commands that were seen.
    pub sampled: u64,
    /// What ended it before its time, such as "8 MiB were read"; `null` when nothing did.
    pub ended_by: Option<String>,
    /// Namespaces, hottest first; at most 200.
    pub namespaces: Vec<CacheHeatNamespace>,
    /// Namespaces beyond those.
    pub left_out: u64,
    /// Keys, hottest first; at most 50.
    pub keys: Vec<CacheHotKey>,
    /// What is not known, and why.
    pub unknown: Vec<CacheUnknown>,
}

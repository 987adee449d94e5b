//! What is asked and answered about the cost of one request.
use std::collections::BTreeMap;

use perfdeck_stats::per_request::PerRequest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::features::bench::work::BenchSpec;

/// Pairs when none are asked for.
pub const USUAL_PAIRS: u32 = 8;
/// Length of a block when none is asked for, in seconds.
pub const USUAL_BLOCK_S: f64 = 2.0;

/// Asks what one request costs.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct CostRequest {
    /// The request, or a plan of HTTP requests. Its length is the blocks', and a closed loop has one connection.
    pub spec: BenchSpec,
    /// The environment whose database and cache count; its guards hold.
    pub environment_id: String,
    /// Pairs of blocks, 6 to 60.
    pub pairs: u32,
    /// Length of a block, 0.5 to 60 s.
    pub block_s: f64,
    /// Name of the measurement; the request when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// The environment's name, typed, where its guard asks for it.
    #[serde(default)]
    pub confirm: Option<String>,
}

/// Amount of something in one request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct CostAmount {
    /// Mean over the pairs.
    pub mean: f64,
    /// Lower end of its 95 % interval; `null` with fewer than three pairs.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

impl From<PerRequest> for CostAmount {
    fn from(found: PerRequest) -> Self {
        Self { mean: found.mean, low: found.low, high: found.high }
    }
}

impl CostAmount {
    /// Whether all of the interval is above nothing.
    pub fn is_sure(&self) -> bool {
        self.low.is_some_and(|low| low > 0.0)
    }
}

/// What one request takes of its targets in all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct CostTotals {
    /// Statements; what ran within others is in theirs.
    pub statements: CostAmount,
    /// Rows that they returned or affected.
    pub rows: CostAmount,
    /// Time that the database spent on them, in milliseconds.
    pub db_ms: CostAmount,
    /// Pages that they took from the server's memory or read; `null` where the server does not count them.
    pub buffers: Option<CostAmount>,
    /// Write-ahead log, in bytes; `null` likewise.
    pub wal_bytes: Option<CostAmount>,
    /// Commands of the cache; `null` where there is no cache or it could not be read.
    pub cache_commands: Option<CostAmount>,
    /// The same by command, those that a request may send; `null` likewise.
    pub cache: Option<BTreeMap<String, CostAmount>>,
}

/// One statement of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct StatementCost {
    /// Names it in `db.statement`.
    pub key: String,
    /// The statement without literals, at most 2,000 bytes; `null` where its text could not be read.
    pub statement: Option<String>,
    /// It ran within other statements, as in a function: its time is in theirs too.
    pub nested: bool,
    /// Whether the pairs show that the request runs it. Otherwise it may be another client's.
    pub sure: bool,
    /// How often a request calls it.
    pub calls: CostAmount,
    /// Rows that these calls returned or affected.
    pub rows: CostAmount,
    /// Their time, in milliseconds.
    pub ms: CostAmount,
    /// Pages that they took from the server's memory or read; `null` where the server does not count them.
    pub buffers: Option<CostAmount>,
    /// Their write-ahead log, in bytes; `null` likewise.
    pub wal_bytes: Option<CostAmount>,
    /// Whether it is called once for each row of another one (N+1): three times or more in a request. `null` where the pairs do
    /// not decide it.
    pub repeated: Option<bool>,
}

/// Statements that this user may not tell apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct CostHidden {
    /// Entries of the server's counters.
    pub statements: u32,
    /// How many of them a request calls. They are in the totals.
    pub calls: CostAmount,
    /// Their time in a request, in milliseconds.
    pub ms: CostAmount,
    /// Statement that lets this user tell them apart, to be run by an administrator.
    pub grant: Option<String>,
}

/// What one request costs, as it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct RequestCost {
    /// Stable identifier.
    pub id: String,
    /// Time at which it was measured, in milliseconds since the Unix epoch.
    pub created_ms: f64,
    /// Name for a person.
    pub name: String,
    /// Request that was sent, in words, without secrets.
    pub request: String,
    /// The environment whose targets counted.
    pub environment_id: String,
    /// Its name at that time.
    pub environment: String,
    /// What was found, in a sentence without its full stop.
    pub sentence: String,
    /// Where the figures of statements come from, such as `pg_stat_statements 1.10`.
    pub source: Option<String>,
    /// Statement that keeps Perfdeck's own statements out of the server's counters, where they are in them and taken off as others' are;
    /// `null` where they are not.
    pub own_counted: Option<String>,
    /// Pairs that were asked for.
    pub pairs_asked: u32,
    /// Pairs that the figures are of.
    pub pairs: u32,
    /// Pairs that were thrown away, because counters were lost or could not be read in the middle of one.
    pub thrown_away: u32,
    /// Length of a block, in seconds.
    pub block_s: f64,
    /// Requests of these pairs that were answered, whatever their status.
    pub requests: u64,
    /// Answered ones of them that failed.
    pub failures: u64,
    /// Requests that were not answered: what they cost is in the figures all the same.
    pub unanswered: u64,
    /// Part of the statements in the blocks with requests that others ran, 0 to 1; `null` where none ran.
    pub background: Option<f64>,
    /// What a request takes in all.
    pub totals: CostTotals,
    /// Its statements: those that the pairs show first, then the others, each by database time; at most 200.
    pub statements: Vec<StatementCost>,
    /// Statements beyond these.
    pub left_out: u32,
    /// Those that this user may not tell apart; `null` where there are none.
    pub hidden: Option<CostHidden>,
    /// Why there are fewer pairs than were asked for; `null` where there are not.
    pub incomplete: Option<String>,
    /// What is to be known beside the figures.
    pub notes: Vec<String>,
}

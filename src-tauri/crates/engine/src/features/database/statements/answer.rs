//! What is answered about statements.
use perfdeck_model::{ApiError, PlanShape, StatementsUnavailable};
use perfdeck_stats::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::core::statement_source::Said;

/// Statements of an environment's database within a time, heaviest first, and how much of that time was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct Statements {
    /// What keeps new figures away; `null` while they come.
    pub state: Option<StatementsState>,
    /// Where the figures come from, such as `pg_stat_statements 1.10`; `null` before anything was read.
    pub source: Option<String>,
    /// Statement that keeps Perfdeck's own statements out of the figures, where they are in them; `null` where they are not.
    pub own_counted: Option<String>,
    /// Why the texts of statements are not known, where the server hands out none.
    pub unread: Option<String>,
    /// Since when something is kept of this database, in milliseconds since the Unix epoch; `null` while nothing is.
    pub since_ms: Option<f64>,
    /// When the next figures come; `null` where this Perfdeck does not watch the environment.
    pub next_ms: Option<f64>,
    /// How much of the time that was asked for was seen.
    pub coverage: StatementsCoverage,
    /// Why parts of what was seen are not known, oldest first, at most 50.
    pub gaps: Vec<StatementsGap>,
    /// Gaps beyond those.
    pub gaps_left_out: u32,
    /// Time that the database spent on statements while it was seen, in milliseconds; what ran within a function is in its time.
    pub total_ms: f64,
    /// How often statements were called, likewise.
    pub calls: u64,
    /// The heaviest by their time, at most 200.
    pub rows: Vec<StatementRow>,
    /// All others together; `null` where there are none.
    pub others: Option<StatementOthers>,
    /// Those that this user may not tell apart; `null` where there are none.
    pub hidden: Option<StatementsHidden>,
    /// What the rows are compared with; `null` where nothing was seen of it.
    pub compared: Option<StatementsCompared>,
    /// Start of the first of each row's `means`.
    pub means_from_ms: f64,
    /// Time that each of them stands for: an hour.
    pub means_step_ms: f64,
}

impl Statements {
    /// Takes over what is said of a source beside its figures.
    pub(crate) fn say(&mut self, said: &Said) {
        self.source.clone_from(&said.source);
        self.own_counted.clone_from(&said.own_counted);
        self.unread.clone_from(&said.unread);
        if let Some(hidden) = &mut self.hidden {
            hidden.grant.clone_from(&said.grant);
        }
    }
}

/// What keeps new figures away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StatementsState {
    /// No Perfdeck on this data folder watches the environment, so that nothing is read.
    NotWatched,
    /// Another Perfdeck on this data folder watches it: what it reads is in the answer about a minute later.
    WatchedElsewhere,
    /// The server keeps no counters, or not for this user.
    Unavailable {
        /// Why, and what changes it.
        why: StatementsUnavailable,
    },
    /// They could not be read.
    Failed {
        /// Why.
        error: ApiError,
    },
}

/// How much of a time was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct StatementsCoverage {
    /// First moment that was seen within it; `null` where nothing was.
    pub from_ms: Option<f64>,
    /// Last one.
    pub to_ms: Option<f64>,
    /// Seconds that were seen.
    pub observed_s: f64,
    /// Windows that they are in, of 5 min at most.
    pub windows: u32,
}

/// Reason for which a part of what was seen is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatementsGapKind {
    /// Somebody reset the server's counters.
    Reset,
    /// The server began anew, and its counters with it.
    Restarted,
    /// Somebody reset the counters of some statements.
    SomeReset,
    /// The server dropped entries to make room for others.
    Evicted,
    /// What this user may see changed, or there are more entries than are read.
    Hidden,
    /// Nobody looked.
    NotSeen,
}

/// A stretch of which a part is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct StatementsGap {
    /// Its start, in milliseconds since the Unix epoch.
    pub from_ms: f64,
    /// Its end.
    pub to_ms: f64,
    /// Why.
    pub kind: StatementsGapKind,
    /// Entries that went with what they had counted, where the server dropped some.
    pub entries: u32,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct StatementRow {
    /// Names it in `db.statement`.
    pub key: String,
    /// The statement without literals, at most 2,000 bytes; `null` where its text could not be read.
    pub statement: Option<String>,
    /// It ran within other statements, as in a function: its time is in theirs too, and it has no share of its own.
    pub nested: bool,
    /// Its share of the database's time, 0 to 1; `null` for one that ran within others.
    pub share: Option<f64>,
    /// How often it was called.
    pub calls: u64,
    /// Its time, in milliseconds.
    pub total_ms: f64,
    /// The same of one call; `null` where only calls were seen that had not ended.
    pub mean_ms: Option<f64>,
    /// Rows that a call returned or affected.
    pub rows_per_call: Option<f64>,
    /// Pages that a call took from the server's memory or read; `null` where the server does not count them.
    pub buffers_per_call: Option<f64>,
    /// Pages of them that were not in the server's memory.
    pub reads_per_call: Option<f64>,
    /// Write-ahead log of a call, in bytes.
    pub wal_bytes_per_call: Option<f64>,
    /// Temporary pages of a call.
    pub temp_per_call: Option<f64>,
    /// When Perfdeck saw it first, in milliseconds since the Unix epoch; `null` for one that is not kept.
    pub first_seen_ms: Option<f64>,
    /// Time of one call in what it is compared with, in milliseconds; `null` where it was not called then.
    pub was_ms: Option<f64>,
    /// How that changed; `null` where there are fewer than six windows with calls on either side.
    pub change: Option<StatementChange>,
    /// When another plan of it was seen first, within the time that was asked for, in milliseconds since the Unix epoch, the last
    /// time; `null` where none was, or its plan is not followed.
    #[serde(default)]
    pub plan_changed_ms: Option<f64>,
    /// Time of one call in each hour of the last seven days, in milliseconds; `null` in hours without calls. Empty in a
    /// single look.
    pub means: Vec<Option<f64>>,
}

/// How the time of a call changed, from the windows of either side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct StatementChange {
    /// Relative change of the typical window: 2 is three times as long.
    pub change: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The word for it, with a smallest change that matters of 5 %.
    pub verdict: Verdict,
    /// Windows with calls before.
    pub before: u32,
    /// Windows with calls now.
    pub now: u32,
}

/// Statements that are not listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct StatementOthers {
    /// How many there were, at least: in another window they may have been others.
    pub statements: u32,
    /// Their time, in milliseconds.
    pub total_ms: f64,
    /// Their calls.
    pub calls: u64,
    /// Their share of the database's time, 0 to 1.
    pub share: f64,
}

/// Statements that this user may not tell apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct StatementsHidden {
    /// Entries of the server's counters.
    pub statements: u32,
    /// Their time, in milliseconds.
    pub total_ms: f64,
    /// Their calls.
    pub calls: u64,
    /// Their share of the database's time, 0 to 1.
    pub share: f64,
    /// Statement that lets this user tell them apart, to be run by an administrator; `null` where nobody watches.
    pub grant: Option<String>,
}

/// What a time is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComparedWith {
    /// The same time seven days before.
    WeekBefore,
    /// The time of the same length just before.
    PeriodBefore,
}

/// What the rows are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct StatementsCompared {
    /// Which time.
    pub with: ComparedWith,
    /// Its start, in milliseconds since the Unix epoch.
    pub from_ms: f64,
    /// Its end.
    pub to_ms: f64,
    /// Windows of it that were seen.
    pub windows: u32,
}

/// One statement whole, with its figures over a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct StatementDetail {
    /// Names it.
    pub key: String,
    /// The statement without literals, at most 64 KiB; `null` where its text could not be read.
    pub statement: Option<String>,
    /// Length of the whole statement in bytes, where that is not all of it.
    pub cut_of: Option<f64>,
    /// When Perfdeck saw it first, in milliseconds since the Unix epoch.
    pub first_seen_ms: Option<f64>,
    /// Its windows, oldest first; those in which it was not called are in it with 0 calls, those that nobody saw are not.
    pub windows: Vec<StatementWindow>,
    /// Plans that were seen of it within that time and the last one before, oldest first: estimates for any values of its parameters,
    /// which may differ from what ran.
    #[serde(default)]
    pub plans: Vec<PlanSeen>,
    /// Why no plan is read of it; `null` where one is, or it was not tried yet.
    #[serde(default)]
    pub no_plan: Option<ApiError>,
}

/// A plan that a statement had for a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct PlanSeen {
    /// When it was seen first, in milliseconds since the Unix epoch. The plan before it was last seen at that one's `last_ms`.
    pub first_ms: f64,
    /// When it was seen last.
    pub last_ms: f64,
    /// Its steps.
    pub shape: PlanShape,
}

/// A statement within one window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct StatementWindow {
    /// Start of what was seen of it, in milliseconds since the Unix epoch.
    pub from_ms: f64,
    /// End of it.
    pub to_ms: f64,
    /// Its calls; `null` where it may be among those that are not kept by name.
    pub calls: Option<u64>,
    /// Their time, in milliseconds.
    pub total_ms: Option<f64>,
}

//! Advice on indexes: which, what each would gain and cost, why, and why not the others.
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{BuildLock, IndexSpec, PlanNode, Scheme};

/// What the predictions of an advice rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdviceBasis {
    /// The server's planner, with the tables' own statistics.
    Planner,
    /// The server's planner on samples of the tables, extrapolated.
    Sample,
    /// Steps of the plan, with the rows that each was reckoned to read.
    Steps,
    /// Statistics alone: candidates are ranked, no plan was asked for.
    Statistics,
}

/// Way to ask a database what a statement would cost with an index that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimulationMethod {
    /// The extension `HypoPG`, in a session of its own.
    Hypopg,
    /// Samples of the tables in temporary ones.
    Shadow,
    /// An empty schema in memory with the file's statistics (SQLite).
    Schema,
    /// None.
    None,
}

impl SimulationMethod {
    /// The word shown for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hypopg => "HypoPG",
            Self::Shadow => "samples in temporary tables",
            Self::Schema => "an empty schema with the file's statistics",
            Self::None => "statistics alone",
        }
    }
}

/// Where the use of `HypoPG` stands in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HypopgUse {
    /// It is not installed in the database, or the database is no PostgreSQL.
    NotInstalled,
    /// It may be used: the environment is for development, or somebody agreed.
    Allowed,
    /// It is installed, and nobody agreed to its use.
    NotAgreed,
    /// A session died while it was used: it is not used until somebody agrees again.
    Quarantined,
}

/// Class of the values that a statement's parameters have. What a plan does hangs on them, and one value says nothing of the others.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ValueClass {
    /// The statement has no parameters.
    AsWritten,
    /// Values that many rows have.
    Frequent,
    /// Values that few rows have.
    Rare,
    /// Values that some rows have, all of them at the end of the order that a `LIMIT` reads last.
    FarEnd,
    /// Values that no row has.
    Absent,
}

impl ValueClass {
    /// The words shown for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsWritten => "as written",
            Self::Frequent => "frequent values",
            Self::Rare => "rare values",
            Self::FarEnd => "values at the far end of the order",
            Self::Absent => "values that are not there",
        }
    }
}

/// A predicted or measured share with its interval: 0.37 is 37 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ShareRange {
    /// The share.
    pub value: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What an index would do to one class of a statement's values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ClassEffect {
    /// The class.
    pub class: ValueClass,
    /// Cost after by cost before: 0.1 is a tenth.
    pub ratio: f64,
}

/// What the advised indexes do together to one statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct StatementEffect {
    /// The statement without literals, at most 64 KiB.
    pub statement: String,
    /// Names it in `db.statement`; `null` where it came from a file.
    pub key: Option<String>,
    /// How often it was called in the workload's time.
    pub calls: f64,
    /// What that took, in milliseconds.
    pub total_ms: f64,
    /// Its share of the workload's time, 0 to 1.
    pub share: f64,
    /// Time of one call now, in milliseconds; `null` where that is not known, as in a file of queries.
    pub now_ms: Option<f64>,
    /// Predicted time of one call, in milliseconds, likewise.
    pub predicted_ms: Option<f64>,
    /// Lower end of its interval.
    pub predicted_low_ms: Option<f64>,
    /// Upper end.
    pub predicted_high_ms: Option<f64>,
    /// Relative change of the time of one call: -0.9 is a tenth of it.
    pub change: f64,
    /// Lower end of its interval.
    pub change_low: f64,
    /// Upper end.
    pub change_high: f64,
    /// The same by class of values, the most gained first.
    pub classes: Vec<ClassEffect>,
    /// Indexes that its plan would use: places in `advised`.
    pub indexes: Vec<u32>,
    /// Plan as it is now, an estimate; empty where none was asked for.
    pub plan_before: Vec<PlanNode>,
    /// Plan with the indexes, an estimate; empty where none was asked for.
    pub plan_after: Vec<PlanNode>,
}

/// What indexes do to a statement that writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct SlowedStatement {
    /// The statement without literals, at most 64 KiB.
    pub statement: String,
    /// Names it in `db.statement`; `null` where it came from a file.
    pub key: Option<String>,
    /// Calls in the workload's time.
    pub calls: f64,
    /// Time of one call now, in milliseconds; `null` where that is not known, as in a file of queries.
    pub now_ms: Option<f64>,
    /// Predicted time of one call, in milliseconds, likewise.
    pub predicted_ms: Option<f64>,
    /// Relative change of the time of one call: 0.1 is a tenth more; `null` likewise.
    pub change: Option<f64>,
    /// Share of the rows it updates that touch no index now and would touch all of the table's (HOT), 0 to 1.
    pub hot_lost: f64,
}

/// An index that is advised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct AdvisedIndex {
    /// Name that is free.
    pub name: String,
    /// Its table, as a person reads it.
    pub table: String,
    /// Its keys and what follows them, likewise: `(staff_id, starts_at) INCLUDE (status)`.
    pub keys: String,
    /// The index, as `db.plan_index` takes it.
    pub spec: IndexSpec,
    /// Statement that creates it, as the advisor simulated it; the change previews the exact one.
    pub statement: String,
    /// Predicted size in bytes; `null` where the columns' widths are hidden or the table was never analyzed.
    pub bytes: Option<f64>,
    /// Bytes of the write-ahead log for an inserted row.
    pub wal_bytes_per_row: f64,
    /// The same in a day; `null` where writes are not counted, or for less than an hour.
    pub wal_bytes_per_day: Option<f64>,
    /// Updates of a day that touch no index now and would touch all of the table's (HOT); `null` where that is not known.
    pub hot_lost_per_day: Option<f64>,
    /// Time of a day that writers would spend on it, in milliseconds; `null` likewise.
    pub writing_ms_per_day: Option<f64>,
    /// Statements that write and that it alone makes slower, those first that it slows the most, at most 20.
    #[serde(default)]
    pub slows: Vec<SlowedStatement>,
    /// Share of the workload's time that it saves alone, writers' time taken off; `null` where the workload has no times.
    pub saved: Option<ShareRange>,
    /// Statements whose plan uses it: places in `effects`.
    pub used_by: Vec<u32>,
    /// What it does alone to those statements, as it is kept with a change that creates it.
    pub predicted: Vec<PredictedStatement>,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
    /// Whether it helps only where enough rows come early: to be proven by running.
    pub needs_proof: bool,
    /// Indexes that are there and that it makes superfluous.
    pub replaces: Vec<String>,
}

/// An index that was thought of and is not advised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct RejectedIndex {
    /// Its table, as a person reads it.
    pub table: String,
    /// Its keys, likewise.
    pub keys: String,
    /// Why not.
    pub why: String,
}

/// A statement that could not be analysed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct NotAnalysedStatement {
    /// The statement without literals, at most 2,000 bytes.
    pub statement: String,
    /// How often it was called.
    pub calls: f64,
    /// What that took, in milliseconds.
    pub total_ms: f64,
    /// Why.
    pub why: String,
}

/// Where the statements of an advice come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WorkloadSource {
    /// Counters of statements, as Perfdeck followed them.
    Statements {
        /// Their source, such as `pg_stat_statements 1.10`.
        source: Option<String>,
    },
    /// Queries that were handed in, all of them as heavy.
    Queries,
}

/// Advice on the indexes of a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct IndexAdvice {
    /// Stable identifier.
    pub id: String,
    /// Environment that it is for.
    pub environment_id: String,
    /// Time at which it was made, in milliseconds since the Unix epoch.
    pub made_ms: f64,
    /// Product and version of the server, such as `PostgreSQL 15.18`.
    pub server: String,
    /// Engine of the database; `null` in advice that an earlier Perfdeck made.
    #[serde(default)]
    pub scheme: Option<Scheme>,
    /// Whom the build of an index keeps waiting there; `null` likewise.
    #[serde(default)]
    pub lock: Option<BuildLock>,
    /// Where the statements come from.
    pub source: WorkloadSource,
    /// Start of the workload's time, in milliseconds since the Unix epoch; `null` for queries that were handed in.
    pub from_ms: Option<f64>,
    /// Its end.
    pub to_ms: Option<f64>,
    /// Seconds of it that were seen; 0 for queries that were handed in.
    pub observed_s: f64,
    /// Statements that were looked at.
    pub statements: u32,
    /// Share of the workload's time whose statements were analysed, 0 to 1; `null` where nothing took time.
    pub explained: Option<f64>,
    /// Statements that were not analysed, the heaviest first, at most 50.
    pub not_analysed: Vec<NotAnalysedStatement>,
    /// Those beyond.
    pub not_analysed_left_out: u32,
    /// What the predictions rest on.
    pub basis: AdviceBasis,
    /// How indexes were simulated.
    pub method: SimulationMethod,
    /// Where the use of `HypoPG` stands.
    pub hypopg: HypopgUse,
    /// Bound for the bytes of all advised indexes together; `null` where there is none.
    pub budget_bytes: Option<f64>,
    /// Share of the workload's time that all advised indexes save together, writers' time taken off; `null` where it has no times.
    pub saved: Option<ShareRange>,
    /// Indexes, those first that were chosen first.
    pub advised: Vec<AdvisedIndex>,
    /// What they do together to each statement that they matter to, the most gained first, at most 100.
    pub effects: Vec<StatementEffect>,
    /// Statements that write and that all of them together make slower, those first that are slowed the most, at most 20.
    #[serde(default)]
    pub slows: Vec<SlowedStatement>,
    /// Candidates that were not chosen, the best first.
    pub rejected: Vec<RejectedIndex>,
    /// Those beyond.
    pub rejected_left_out: u32,
    /// Statements that would let this user see more, for an administrator.
    pub grants: Vec<String>,
    /// What else is to be known, a sentence each.
    pub notes: Vec<String>,
    /// Plans that were asked for.
    pub plans: u32,
    /// Time that it took, in seconds.
    pub took_s: f64,
}

/// Prediction that is kept with a change, to be held against what came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct ChangePrediction {
    /// Advice that it was taken from.
    pub advice_id: String,
    /// What it rests on.
    pub basis: AdviceBasis,
    /// Size in bytes; `null` where it is not known.
    pub bytes: Option<f64>,
    /// Share of the workload's time that it saves; `null` where the workload has no times.
    pub saved: Option<ShareRange>,
    /// Statements that it matters to, without literals, with what was predicted for each by class.
    pub statements: Vec<PredictedStatement>,
    /// Whether it helps only where enough rows come early.
    pub needs_proof: bool,
}

/// Prediction for one statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, schemars::JsonSchema)]
pub struct PredictedStatement {
    /// The statement without literals, at most 64 KiB.
    pub statement: String,
    /// Names it in `db.statement`; `null` where it came from a file.
    pub key: Option<String>,
    /// Share of the workload's time.
    pub share: f64,
    /// Calls in the workload's time.
    pub calls: f64,
    /// Time of one call when it was predicted, in milliseconds; `null` where it was not known.
    pub now_ms: Option<f64>,
    /// Relative change of the time of one call, with its interval: -0.9 is a tenth of it.
    pub change: ShareRange,
    /// The same by class.
    pub classes: Vec<ClassEffect>,
}

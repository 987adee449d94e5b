//! What is asked and answered about the size of a pool.
use perfdeck_stats::pool_size::{SizeAnalysis, SizeCell};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::features::bench::preview::BenchPreview;
use crate::features::bench::work::BenchSpec;

/// Repetitions when none are asked for.
pub const USUAL_REPETITIONS: u32 = 3;
/// Warm-up of a cell when none is asked for, in seconds.
pub const USUAL_WARMUP_S: f64 = 0.5;
/// Measured time of a cell when none is asked for, in seconds.
pub const USUAL_MEASURE_S: f64 = 2.0;

/// Asks for the size of a pool.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct PoolSizeRequest {
    /// SQL statements: one, a script, or a plan of SQL steps. Its connections, length, warm-up and load are the sweep's.
    pub spec: BenchSpec,
    /// The environment whose database they run on; its guards hold.
    pub environment_id: String,
    /// Largest number of connections that is tried, 4 to 64.
    pub max_connections: u32,
    /// Repetitions of each size, 2 to 10.
    pub repetitions: u32,
    /// Warm-up of a cell, 0.1 to 60 s.
    pub warmup_s: f64,
    /// Measured time of a cell, 0.25 to 120 s.
    pub measure_s: f64,
    /// Limit of the 99th percentile of the time in the database, in milliseconds; none when absent.
    #[serde(default)]
    pub objective_ms: Option<f64>,
    /// Instances of the application that share the database, 1 to 1,000.
    pub instances: u32,
    /// Name of the measurement; the statement when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// The environment's name, typed, where its guard asks for it.
    #[serde(default)]
    pub confirm: Option<String>,
}

/// Connections of a database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
pub struct ConnectionRoom {
    /// All that the server takes (`max_connections`).
    pub max: u32,
    /// Kept for superusers and roles of their own.
    pub reserved: u32,
    /// In use by others before the measurement began; those of the application that is sized are among them.
    pub others: u32,
    /// In use by Perfdeck itself, load excluded.
    pub own: u32,
    /// Kept free by the environment's guard.
    pub kept: u32,
    /// Left for the pools: what remains of `max`.
    pub free: u32,
}

/// A size that was not tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
pub struct SizeLeftOut {
    /// Connections.
    pub connections: u32,
    /// Why.
    pub why: String,
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SizingState {
    /// All cells were measured.
    Finished,
    /// It was stopped by a person, or with Perfdeck.
    Stopped,
    /// The database or a guard ended it.
    Ended,
}

/// The recommended size as settings of one kind of pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
pub struct PoolSetting {
    /// `environment`, `sqlx`, `sqlalchemy`, `hikaricp` or `pgbouncer`.
    pub kind: String,
    /// What it is called.
    pub title: String,
    /// The settings, to be copied.
    pub text: String,
}

/// What would be measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct PoolSizePreview {
    /// Where its load goes, and what guards it.
    pub bench: BenchPreview,
    /// Sizes that would be tried.
    pub sizes: Vec<u32>,
    /// Those that would not, and why.
    pub left_out: Vec<SizeLeftOut>,
    /// Connections of the server; absent where it has no limit, and where it could not be asked.
    pub room: Option<ConnectionRoom>,
    /// How long it takes, in seconds, opening connections included.
    pub seconds: f64,
    /// Why it would be refused, if it would.
    pub problem: Option<String>,
}

/// The size of a pool, as it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
pub struct PoolSizing {
    /// Stable identifier.
    pub id: String,
    /// Time at which it ended, in milliseconds since the Unix epoch.
    pub created_ms: f64,
    /// Name for a person.
    pub name: String,
    /// What was run, without literal texts.
    pub request: String,
    /// The environment whose database it ran on.
    pub environment_id: String,
    /// Its name at that time.
    pub environment: String,
    /// How it ended.
    pub state: SizingState,
    /// Why it ended before its end; `null` where it did not.
    pub ended_because: Option<String>,
    /// Repetitions of each size that were asked for.
    pub repetitions: u32,
    /// Warm-up of a cell, in seconds.
    pub warmup_s: f64,
    /// Measured time of a cell, in seconds.
    pub measure_s: f64,
    /// Limit of the 99th percentile, in milliseconds; `null` without one.
    pub objective_ms: Option<f64>,
    /// Instances of the application that share the database.
    pub instances: u32,
    /// Connections of the server before it began; `null` where it has no limit.
    pub room: Option<ConnectionRoom>,
    /// Sizes that were not tried.
    pub left_out: Vec<SizeLeftOut>,
    /// The cells, in the order in which they were measured.
    pub cells: Vec<SizeCell>,
    /// What they say.
    #[serde(flatten)]
    pub analysis: SizeAnalysis,
    /// The recommended size to copy, for one instance; empty where none is recommended.
    pub settings: Vec<PoolSetting>,
}

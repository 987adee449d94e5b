//! Commands of databases.
use std::sync::Arc;

use perfdeck_model::{
    ChangeDetail, DatabaseActivity, DatabaseIndexes, DatabasePools, DatabaseSizes, HypopgUse, IndexAdvice, IndexBloat,
    JobStatus, StatementPlan, TargetHealth, TrackRecord,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use super::advice::run::{AdviseRequest, AllowHypopg, db_advice, db_advise, db_allow_hypopg};
pub use super::bloat::{BloatRequest, db_bloat, db_measure_bloat};
pub use super::create_index::{CreateIndexRequest, db_plan_index};
pub use super::indexes::{IndexesRequest, db_indexes};
pub use super::prove::{ProveRequest, db_prove};
pub use super::schema::{PlanRequest, SizesRequest, db_plan, db_sizes};
use crate::Engine;
use crate::features::database::activity::Door;
use crate::features::database::statements::answer::{StatementDetail, Statements};
use crate::requests::ByEnvironment;
use crate::table::{Result, commands};

/// Asks what the sessions of a database do.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct ActivityRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Time that is asked about, in milliseconds since the Unix epoch; `null` for now.
    #[serde(default)]
    pub at_ms: Option<f64>,
}

/// Asks for the statements of a time.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct StatementsRequest {
    /// Identifier or name.
    pub environment_id: String,
    /// Start of the time, in milliseconds since the Unix epoch.
    pub from_ms: f64,
    /// Its end; at most seven days later.
    pub to_ms: f64,
}

/// Asks for one statement.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct StatementRequest {
    /// Identifier or name.
    pub environment_id: String,
    /// The statement, as `db.statements` names it.
    pub key: String,
    /// Start of the time, in milliseconds since the Unix epoch.
    pub from_ms: f64,
    /// Its end; at most seven days later.
    pub to_ms: f64,
}

commands! {
    Target Json "db.activity" (ActivityRequest) -> Option<DatabaseActivity>, changes [] => db_activity;
    Target Json "db.sizes" (SizesRequest) -> DatabaseSizes, changes [] => db_sizes;
    Target Json "db.indexes" (IndexesRequest) -> DatabaseIndexes, changes [] => db_indexes;
    Target Json "db.advise" (AdviseRequest) -> JobStatus, changes [Jobs, Advice] => db_advise;
    Read Json "db.advice" (ByEnvironment) -> Option<IndexAdvice>, changes [] => db_advice;
    Write Json "db.allow_hypopg" (AllowHypopg) -> HypopgUse, changes [Advice] => db_allow_hypopg;
    Target Json "db.bloat" (BloatRequest) -> IndexBloat, changes [] => db_bloat;
    Target Json "db.measure_bloat" (BloatRequest) -> JobStatus, changes [Jobs] => db_measure_bloat;
    Target Json "db.plan" (PlanRequest) -> StatementPlan, changes [] => db_plan;
    Target Json "db.plan_index" (CreateIndexRequest) -> ChangeDetail, changes [Changes] => db_plan_index;
    Target Json "db.prove" (ProveRequest) -> JobStatus, changes [Jobs, Changes] => db_prove;
    Read Json "db.track_record" (ByEnvironment) -> TrackRecord, changes [] => db_track_record;
    Target Json "db.pool" (ByEnvironment) -> DatabasePools, changes [] => db_pool;
    Target Json "db.health" (ByEnvironment) -> TargetHealth, changes [] => db_health;
    Read Json "db.statements" (StatementsRequest) -> Statements, changes [] => db_statements;
    Read Json "db.statement" (StatementRequest) -> StatementDetail, changes [] => db_statement;
}

/// The sessions of a database, who waits for whom and the maintenance that runs, now or at a time of the last 15 minutes. It
/// is read once a second while somebody asks, over one connection for all of them. `null` where nothing was read within 2.5 s
/// of that time.
pub async fn db_activity(engine: Arc<Engine>, request: ActivityRequest) -> Result<Option<DatabaseActivity>> {
    let environment = engine.environment(&request.environment_id).await?;
    let (address, password) = engine.door(&environment).await?;
    let door = Door { address, password };
    engine.database.activity.ask(&environment.id, door, &engine.core.clock, request.at_ms).await
}

/// The statements that took the database's time, heaviest first, from what was seen of it.
pub async fn db_statements(engine: Arc<Engine>, request: StatementsRequest) -> Result<Statements> {
    engine.statements(&request.environment_id, request.from_ms, request.to_ms).await
}

/// One statement whole, with its windows.
pub async fn db_statement(engine: Arc<Engine>, request: StatementRequest) -> Result<StatementDetail> {
    engine.statement(&request.environment_id, &request.key, request.from_ms, request.to_ms).await
}

/// The same from two readings, one now and one after `lasts`; nothing of it is kept. For `perfctl`.
///
/// # Errors
/// When the database cannot be reached; what it does not count is said in the answer.
pub async fn db_statements_look(
    engine: Arc<Engine>,
    request: ByEnvironment,
    lasts: std::time::Duration,
) -> Result<Statements> {
    engine.statements_look(&request.environment_id, lasts).await
}

/// How earlier predictions about indexes came out, of the changes of an environment that were proven.
pub async fn db_track_record(engine: Arc<Engine>, request: ByEnvironment) -> Result<TrackRecord> {
    let environment = engine.environment(&request.environment_id).await?;
    engine.track_record(&environment.id).await
}

/// Pools of applications as the database sees them, those of a pooler, and Perfdeck's own.
pub async fn db_pool(engine: Arc<Engine>, request: ByEnvironment) -> Result<DatabasePools> {
    engine.pools(&request.environment_id).await
}

/// Health of the database: checks with value, threshold, reason and fix. It takes 5 s at most; a database that cannot be
/// reached is an answer too.
pub async fn db_health(engine: Arc<Engine>, request: ByEnvironment) -> Result<TargetHealth> {
    let (_, address, password) = engine.database_of(&request.environment_id).await?;
    Ok(perfdeck_database::health(&address, password.as_ref(), &*engine.core.clock).await)
}

//! What a database holds, and how it would run a statement.
use std::sync::Arc;

use perfdeck_model::{DatabaseSizes, IndexBloat, JournalKind, StatementPlan, TargetRole};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::table::Result;

/// Tables that are told where no other number was asked for.
const USUAL_TABLES: u32 = 1_000;

/// Asks for the sizes of the largest tables.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct SizesRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Tables to tell, the largest first, at most 10,000; 1,000 by default.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// Asks for the bloat of one index.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct BloatRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Name of the index as the list of sizes has it, with its schema.
    pub index: String,
    /// Whether it is measured, which reads all of it; otherwise only what that costs is told.
    #[serde(default)]
    pub measure: bool,
}

/// Asks for the plan of a statement.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct PlanRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// One statement that only reads; it may have parameters (`$1`).
    pub statement: String,
    /// Whether it is run and measured.
    #[serde(default)]
    pub analyze: bool,
}

/// Sizes of tables and indexes, what is read by sequential scans, when tables were tidied, and how much of them is bloat.
pub async fn db_sizes(engine: Arc<Engine>, request: SizesRequest) -> Result<DatabaseSizes> {
    let (_, address, password) = engine.database_of(&request.environment_id).await?;
    perfdeck_database::sizes(&address, password.as_ref(), request.limit.unwrap_or(USUAL_TABLES)).await
}

/// What measuring the bloat of an index costs, and the measurement where that is asked for.
pub async fn db_bloat(engine: Arc<Engine>, request: BloatRequest) -> Result<IndexBloat> {
    let (_, address, password) = engine.database_of(&request.environment_id).await?;
    perfdeck_database::index_bloat(&address, password.as_ref(), &request.index, request.measure).await
}

/// The plan of a statement that only reads. Running it to measure it is a guarded act on what is, or looks like, production.
pub async fn db_plan(engine: Arc<Engine>, request: PlanRequest) -> Result<StatementPlan> {
    let (environment, address, password) = engine.database_of(&request.environment_id).await?;
    if request.analyze {
        engine.altered(&environment, TargetRole::Database).await.may_run("the statement")?;
        if engine.take_unlocked_for_run(&environment.id) {
            let text = "a statement may be run to measure its plan".to_owned();
            engine.journal(JournalKind::Unlocked, Some(&environment), text, None).await?;
        }
    }
    perfdeck_database::statement_plan(&address, password.as_ref(), &request.statement, request.analyze).await
}

//! What a database holds, and how it would run a statement.
use std::sync::Arc;

use perfdeck_model::{DatabaseSizes, JournalKind, StatementPlan, TargetRole};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::place::place_of;
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

/// Sizes of tables and indexes, how much they grew, what is read by sequential scans, when tables were tidied, and how much of them
/// is bloat. Those of the largest are kept, at most once an hour.
pub async fn db_sizes(engine: Arc<Engine>, request: SizesRequest) -> Result<DatabaseSizes> {
    let (environment, address, password) = engine.database_of(&request.environment_id).await?;
    let limit = request.limit.unwrap_or(USUAL_TABLES);
    let mut sizes = perfdeck_database::sizes(&address, password.as_ref(), limit).await?;
    let place = place_of(&environment)?;
    engine.with_growth(&place, &mut sizes).await?;
    engine.with_bloat(&place, &mut sizes).await?;
    Ok(sizes)
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

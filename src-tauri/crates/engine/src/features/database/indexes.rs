//! What is found about the indexes of a database.
use std::sync::Arc;

use perfdeck_database::IndexFilter;
use perfdeck_model::{DatabaseIndexes, IndexFindingKind};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::table::Result;

/// Findings that are told where no other number was asked for, and at most.
const USUAL: u32 = 200;
const MOST: u32 = 10_000;

/// Asks for findings about indexes.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
pub struct IndexesRequest {
    /// Identifier or name of the environment.
    pub environment_id: String,
    /// Kinds to tell; all where there are none.
    #[serde(default)]
    pub kinds: Vec<IndexFindingKind>,
    /// Table to tell of, with or without its schema; `null` for all.
    #[serde(default)]
    pub table: Option<String>,
    /// Findings to tell, the first by rank, at most 10,000; 200 by default.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// What is found about the indexes of a database, by rank: duplicate, redundant, invalid, unused and bloated ones, foreign keys
/// without one, and what was never analyzed, each with its evidence and the statement that follows from it. It takes 10 s at
/// most, and waits for no lock.
pub async fn db_indexes(engine: Arc<Engine>, request: IndexesRequest) -> Result<DatabaseIndexes> {
    let (_, address, password) = engine.database_of(&request.environment_id).await?;
    let limit = request.limit.unwrap_or(USUAL).clamp(1, MOST);
    let filter = IndexFilter { kinds: request.kinds, table: request.table, limit: limit as usize };
    perfdeck_database::indexes::indexes(&address, password.as_ref(), &filter, &*engine.core.clock).await
}

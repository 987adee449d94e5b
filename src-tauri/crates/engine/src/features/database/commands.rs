//! Commands of databases.
use std::sync::Arc;

use perfdeck_model::{ApiError, DatabaseActivity, ErrorCode, TargetRole};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Engine;
use crate::features::database::activity::Door;
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

commands! {
    Target Json "db.activity" (ActivityRequest) -> Option<DatabaseActivity>, changes [] => db_activity;
}

/// The sessions of a database, who waits for whom and the maintenance that runs, now or at a time of the last 15 minutes. It
/// is read once a second while somebody asks, over one connection for all of them. `null` where nothing was read within 2.5 s
/// of that time.
pub async fn db_activity(engine: Arc<Engine>, request: ActivityRequest) -> Result<Option<DatabaseActivity>> {
    let environment = engine.environment(&request.environment_id).await?;
    let database = environment.targets.database.as_ref().ok_or_else(|| {
        ApiError::new(ErrorCode::Unsupported, format!("'{}' has no database", environment.name))
            .hint("Add one in the environment's editor")
    })?;
    let password = engine.secret(&environment, TargetRole::Database).await?;
    let door = Door { address: database.address.clone(), password };
    engine.activity.ask(&environment.id, door, &engine.core.clock, request.at_ms).await
}

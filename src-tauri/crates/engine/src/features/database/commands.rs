//! Commands of databases.
use std::sync::Arc;

use perfdeck_model::{ApiError, DatabaseActivity, DatabaseHealth, DatabasePools, ErrorCode, TargetRole};

use crate::Engine;
use crate::requests::ByEnvironment;
use crate::table::{Result, commands};

commands! {
    Target Json "db.activity" (ByEnvironment) -> DatabaseActivity, changes [] => db_activity;
    Target Json "db.pool" (ByEnvironment) -> DatabasePools, changes [] => db_pool;
    Target Json "db.health" (ByEnvironment) -> DatabaseHealth, changes [] => db_health;
}

/// The statements that run now, without literals.
pub async fn db_activity(engine: Arc<Engine>, request: ByEnvironment) -> Result<DatabaseActivity> {
    let environment = engine.environment(&request.environment_id).await?;
    let database = environment.targets.database.as_ref().ok_or_else(|| {
        ApiError::new(ErrorCode::Unsupported, format!("'{}' has no database", environment.name))
            .hint("Add one in the environment's editor")
    })?;
    let password = engine.secret(&environment, TargetRole::Database).await?;
    perfdeck_database::activity(&database.address, password.as_ref()).await
}

/// Pools of applications as the database sees them, those of a pooler, and Perfdeck's own.
pub async fn db_pool(engine: Arc<Engine>, request: ByEnvironment) -> Result<DatabasePools> {
    engine.pools(&request.environment_id).await
}

/// Health of the database: checks with value, threshold, reason and fix. It takes 5 s at most; a database that cannot be
/// reached is an answer too.
pub async fn db_health(engine: Arc<Engine>, request: ByEnvironment) -> Result<DatabaseHealth> {
    let (_, address, password) = engine.database_of(&request.environment_id).await?;
    Ok(perfdeck_database::health(&address, password.as_ref(), &*engine.core.clock).await)
}
